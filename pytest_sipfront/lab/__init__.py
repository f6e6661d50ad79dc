"""The lab: a stand-in for the platform on this machine, over real HTTP.

It follows the published documentation, not captured traffic. It shares no code with the clients, so that one
misreading of the documentation cannot hide in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_sipfront.lab.diagnosis import Diagnosis
    from pytest_sipfront.lab.file.calls_section import CallsMode
    from pytest_sipfront.lab.file.phone_faults import FaultCatalogue
    from pytest_sipfront.lab.process import LabError, LabHandle, LabProcess, examine, start_lab

__all__ = [
    "Diagnosis",
    "FaultCatalogue",
    "LabError",
    "LabHandle",
    "LabProcess",
    "check_lab_file",
    "examine",
    "fault_catalogue",
    "run_lab_command",
    "start_lab",
]


def check_lab_file(path: Path | None, calls: CallsMode = "auto") -> str:
    """Return in words how a lab with this file (None: the built-in one) reaches its verdicts.

    Args:
        path: The lab file.
        calls: How runs with steps get their verdicts; "auto" leaves that to the lab file.

    Raises:
        LabError: The file has mistakes, or the extra `lab` is not installed. The text lists all mistakes with file,
            line and key path.
    """
    from pytest_sipfront.lab.process import LabError, require_lab_extra  # noqa: PLC0415 - imported on first use

    require_lab_extra()
    from pytest_sipfront.lab.backend import available_backend, in_words  # noqa: PLC0415 - needs the extra
    from pytest_sipfront.lab.file.loading import load_default, load_path  # noqa: PLC0415
    from pytest_sipfront.yaml_models import YamlFileError  # noqa: PLC0415

    backend = available_backend(calls)
    try:
        return in_words(backend, load_path(path, backend) if path is not None else load_default(backend))
    except YamlFileError as error:
        raise LabError(str(error)) from None


def run_lab_command(arguments: Sequence[str], program: str) -> int:
    """Run the command `python -m pytest_sipfront.lab` in this process and return its exit code.

    Args:
        arguments: Its arguments.
        program: The name of the program in usage messages.

    Raises:
        LabError: The extra `lab` is not installed.
    """
    from pytest_sipfront.lab.process import require_lab_extra  # noqa: PLC0415

    require_lab_extra()
    from pytest_sipfront.lab.__main__ import main  # noqa: PLC0415 - needs the extra

    try:
        return main(arguments, program)
    except SystemExit as usage:  # argparse has printed help or a mistake
        return int(usage.code or 0)


def fault_catalogue(path: Path | None, calls: CallsMode = "auto") -> FaultCatalogue:
    """Return the faults that the phones of a lab file can have in a proof of a suite; see `check_lab_file`.

    Raises:
        LabError: The file has mistakes, or verdicts are scripted.
    """
    from pytest_sipfront.lab.process import LabError, require_lab_extra  # noqa: PLC0415 - imported on first use

    require_lab_extra()
    from pytest_sipfront.lab.backend import available_backend  # noqa: PLC0415 - needs the extra
    from pytest_sipfront.lab.file.loading import load_default, load_path  # noqa: PLC0415
    from pytest_sipfront.lab.file.phone_faults import FaultCatalogue  # noqa: PLC0415
    from pytest_sipfront.yaml_models import YamlFileError  # noqa: PLC0415

    backend = available_backend(calls)
    try:
        file = load_path(path, backend) if path is not None else load_default(backend)
    except YamlFileError as error:
        raise LabError(str(error)) from None
    if reason := backend.scripted_reason(file):
        raise LabError(f"faults need real calls, and verdicts are scripted, {reason}")
    return FaultCatalogue(file)


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that a session without the lab does not load it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "file.phone_faults" if name == "FaultCatalogue" else "process"
    return getattr(import_module(f"pytest_sipfront.lab.{module}"), name)
