"""`python -m pytest_sipfront.lab`: run a lab in the foreground, or check whether this machine can place calls."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_sipfront.extras import missing_extra

try:
    from pytest_sipfront.lab.addresses import is_loopback
    from pytest_sipfront.lab.backend import available_backend
    from pytest_sipfront.lab.calls import doctor
    from pytest_sipfront.lab.file.lab_file import LabDocument
    from pytest_sipfront.lab.file.loading import load_default, load_path
    from pytest_sipfront.lab.lab import Lab
    from pytest_sipfront.lab.lab_file_watch import LabFileWatch
    from pytest_sipfront.lab.process import TOKEN_VARIABLE, LabError
    from pytest_sipfront.lab.recording_check import check_recordings
    from pytest_sipfront.lab.run_record import RunRecords
    from pytest_sipfront.lab.web.app import build_app
    from pytest_sipfront.lab.web.run_files import write_run_files
    from pytest_sipfront.lab.web.server import LabServer, bind, url_of
    from pytest_sipfront.yaml_models import YamlFileError
    from pytest_sipfront.yaml_schema import FileSchema
except ModuleNotFoundError:
    if not (reason := missing_extra("lab", "the lab")):
        raise
    print(f"lab: {reason}", file=sys.stderr)  # noqa: T201 - the command's output
    sys.exit(2)

# announced if the lab file has no keys; such a lab accepts any non-empty pair
ANY_PUBLIC_KEY, ANY_SECRET_KEY = "lab-public", "lab-secret"


def main(arguments: Sequence[str] | None = None, program: str = "python -m pytest_sipfront.lab") -> int:
    """Run a lab until a signal stops it.

    Args:
        arguments: The arguments (default: those of this process).
        program: The name of the program in usage messages.

    Returns:
        The exit code: 0, or 2 if the lab cannot start. With `--doctor`: 0, or 1 if this machine cannot place calls.
        With `--check`: 0, or 1 if the lab differs from the recordings.
    """
    options = _parser(program).parse_args(arguments)
    if options.schema:
        print(FileSchema.of(LabDocument).as_json(), end="")  # noqa: T201 - the command's output
        return 0
    if options.doctor:
        return _check_machine(as_json=options.announce)
    return _check_recordings(options.check, as_json=options.announce) if options.check else _serve(options)


def _serve(options: argparse.Namespace) -> int:
    if not (is_loopback(options.host) or options.allow_remote):
        return _fail(f"--host {options.host} is reachable from other machines; add --allow-remote to permit this")
    if options.watch and options.file is None:
        return _fail("--watch needs a lab file")
    backend = available_backend(options.calls)
    try:
        lab = Lab(
            load_path(options.file, backend) if options.file else load_default(backend), backend, _records(options)
        )
        listening = bind(options.host, options.port)
    except YamlFileError as error:
        return _fail(str(error))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        return _fail(f"cannot listen on {options.host}:{options.port}: {reason}")
    url = url_of(listening)
    token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)
    watch = LabFileWatch(lab, options.file, _print) if options.watch else None
    app = build_app(lab, token, watch)
    server = LabServer(app, lambda: _announce(lab, url, token, as_json=options.announce), lab.release)
    server.stop_on_signals()
    if options.with_parent:
        server.stop_with_parent()
    server.run([listening])
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Run a local simulation of the Sipfront platform, based on its documentation.",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="lab file (default: the built-in lab file)")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="reload the lab file when it changes, which ends open runs; mistakes are shown, and the old content stays",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free port)")
    parser.add_argument("--allow-remote", action="store_true", help="permit a --host that other machines can reach")
    parser.add_argument(
        "--calls",
        choices=("auto", "required", "scripted"),
        default="auto",
        help="how runs with steps get their verdicts: by real calls only (required), by the verdicts of the lab file "
        "(scripted), or as the lab file says (auto, the default)",
    )
    parser.add_argument("--records", type=Path, metavar="DIR", help="directory for the files of each run with calls")
    parser.add_argument("--no-sound", action="store_true", help="leave audio and RTP out of these files")
    parser.add_argument("--mask-numbers", action="store_true", help="mask phone numbers in these files")
    parser.add_argument("--doctor", action="store_true", help="check whether this machine can place calls, and exit")
    parser.add_argument(
        "--check",
        type=Path,
        metavar="DIR",
        help="compare the lab with the recordings of --sipfront-record=DIR, field by field, and exit",
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of lab files, and exit")
    parser.add_argument(
        "--announce", action="store_true", help="print one line of JSON when listening, or checks as JSON"
    )
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input closes")
    return parser


def _records(options: argparse.Namespace) -> RunRecords | None:
    if options.records is None:
        return None
    return RunRecords(
        options.records,
        has_sound=not options.no_sound,
        masks=options.mask_numbers,
        write=write_run_files,
    )


def _announce(lab: Lab, url: str, token: str, *, as_json: bool) -> None:
    account = lab.file.account
    public, secret = account.public_key or ANY_PUBLIC_KEY, account.secret_key or ANY_SECRET_KEY
    if as_json:
        backend = "scripted" if lab.backend.scripted_reason(lab.file) else lab.backend.name
        keys = {"public_key": public, "secret_key": secret, "token": token}
        print(json.dumps({"url": url, **keys, "pid": os.getpid(), "backend": backend}), flush=True)  # noqa: T201 - the command's output
        return
    lines = [
        f"Lab at {url}: {lab.summary}",
        f"export SIPFRONT_BASE_URL={url} SIPFRONT_PUBLIC_KEY={public} SIPFRONT_SECRET_KEY={secret}",
        f"export {TOKEN_VARIABLE}={token}",
    ]
    if lab.file.sift is not None:
        lines.append(f"export SIFT_BASE_URL={url}/v0 SIFT_ACCOUNT_ID={public} SIFT_AUTH_TOKEN={secret}")
    print(*lines, sep="\n", flush=True)  # noqa: T201


def _check_machine(*, as_json: bool) -> int:
    diagnosis = doctor.run()
    print(json.dumps(diagnosis.checks) if as_json else diagnosis)  # noqa: T201 - the command's output
    return 0 if diagnosis.sound else 1


def _check_recordings(directory: Path, *, as_json: bool) -> int:
    try:
        check = check_recordings(directory)
    except LabError as error:
        return _fail(str(error))
    print(json.dumps(check.differences) if as_json else check)  # noqa: T201 - the command's output
    return 0 if check.sound else 1


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the command's output


def _fail(reason: str) -> int:
    print(f"lab: {reason}", file=sys.stderr)  # noqa: T201 - the command's output
    return 2


if __name__ == "__main__":
    sys.exit(main())
