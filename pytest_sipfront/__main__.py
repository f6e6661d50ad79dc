"""`python -m pytest_sipfront`: the program `pytest-sipfront`."""

from __future__ import annotations

from pytest_sipfront.cli import main

if __name__ == "__main__":
    main()
