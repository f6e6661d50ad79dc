"""The engine: starts runs, waits for them and finds their verdicts. It knows neither pytest nor HTTP."""
