"""Benchmarks. Each prints ratios of measurements from the same run; absolute figures depend on the machine.

| figure | command, in a checkout |
|---|---|
| many runs / minimum: first session, local and platform's history | `python -m tests.benchmarks.engine_suite` |
| pytest-xdist / one process, and the CPU time of pytest and engine together | the same |
| delay of verdicts, CPU time and memory with 1,000 runs of 60 s | `python -m tests.benchmarks.engine_flight` |
| memory and descriptors over 2,000 short runs | `python -m tests.benchmarks.steady_session` |
| 2,000 trivial tests, with the plugin / without | `python -m tests.benchmarks.plugin_cost` |

The far end of the first three is `timed_platform`, not the lab.
"""
