"""Reads a lab file as a lab would, so that a mistake in it shows before anything is started."""

from __future__ import annotations

from pathlib import Path

from pytest_sipfront.lab.backend import available_backend, in_words
from pytest_sipfront.lab.file.loading import load_default, load_path
from pytest_sipfront.lab.file.schema import LabFileError
from pytest_sipfront.lab.process import LabError


def check_lab_file(path: Path | None) -> str:
    """Return in words what the verdicts of a lab with this file (None: the built-in one) would rest on.

    Raises:
        LabError: It is no lab file; the text has file, line and what is allowed.
    """
    engine = available_backend()
    try:
        file = load_path(path, engine) if path is not None else load_default(engine)
        engine.check(file)
    except LabFileError as error:
        raise LabError(str(error)) from None
    return in_words(engine, file)
