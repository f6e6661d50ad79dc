"""The engine: a process that launches and polls runs for all processes of a session. It does not import pytest."""
