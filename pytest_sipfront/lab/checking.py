"""Reads a lab file as a lab would, so that a mistake in it shows before anything is started."""

from __future__ import annotations

from pathlib import Path

from pytest_sipfront.lab.engine import available_engine
from pytest_sipfront.lab.loading import load_path
from pytest_sipfront.lab.process import LabError
from pytest_sipfront.lab.schema import LabFileError


def check_lab_file(path: Path) -> None:
    """Return if `path` is a lab file.

    Raises:
        LabError: It is none; the text has file, line and what is allowed.
    """
    try:
        load_path(path, available_engine())
    except LabFileError as error:
        raise LabError(str(error)) from None
