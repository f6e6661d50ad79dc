"""The engine launches and polls runs in a process of its own. It does not import pytest."""
