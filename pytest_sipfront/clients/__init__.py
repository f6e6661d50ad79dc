"""Asynchronous clients of the services. They do not import pytest."""
