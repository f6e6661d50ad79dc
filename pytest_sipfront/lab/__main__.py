"""`python -m pytest_sipfront.lab`: a lab in the foreground."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_sipfront.extras import missing_extra

try:
    from pytest_sipfront.lab.backend import Backend, available_backend, in_words
    from pytest_sipfront.lab.calls import doctor
    from pytest_sipfront.lab.file.loading import load_default, load_path
    from pytest_sipfront.lab.hosts import is_loopback
    from pytest_sipfront.lab.lab import Lab
    from pytest_sipfront.lab.web.app import build_app
    from pytest_sipfront.lab.web.server import LabServer, bind, url_of
    from pytest_sipfront.yaml_models import YamlFileError
except ModuleNotFoundError:
    if not (reason := missing_extra("lab", "the lab")):
        raise
    print(f"lab: {reason}", file=sys.stderr)  # noqa: T201 - the command's output
    sys.exit(2)

# what is announced when the file asks for no particular keys: any pair is let in then
ANY_PUBLIC_KEY, ANY_SECRET_KEY = "lab-public", "lab-secret"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a lab until it is told to end; return the exit code: 0, or 2 when it cannot start.

    With `--doctor`, look whether this machine can place calls instead: 0, or 1 when it cannot.
    """
    options = _parser().parse_args(arguments)
    if options.doctor:
        return _examine(as_json=options.announce)
    if not (is_loopback(options.host) or options.allow_remote):
        return _refuse(f"--host {options.host} is reachable from other machines; add --allow-remote to mean it")
    engine = available_backend()
    try:
        lab = Lab(load_path(options.file, engine) if options.file else load_default(engine), engine)
        listening = bind(options.host, options.port)
    except YamlFileError as error:
        return _refuse(str(error))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        return _refuse(f"cannot listen on {options.host}:{options.port}: {reason}")
    url = url_of(listening)
    server = LabServer(build_app(lab), lambda: _announce(lab, engine, url, as_json=options.announce), lab.release)
    server.stop_on_signals()
    if options.with_parent:
        server.stop_with_parent()
    server.run([listening])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_sipfront.lab",
        description="A stand-in for the Sipfront platform on this machine, modelled on its documentation.",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="lab file (default: a built-in one)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--allow-remote", action="store_true", help="let --host be reachable from other machines")
    parser.add_argument("--doctor", action="store_true", help="try whether this machine can place calls, and end")
    parser.add_argument("--announce", action="store_true", help="print one line of JSON when listening (or examined)")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    return parser


def _announce(lab: Lab, engine: Backend, url: str, *, as_json: bool) -> None:
    account = lab.file.account
    public, secret = account.public_key or ANY_PUBLIC_KEY, account.secret_key or ANY_SECRET_KEY
    name = "scripted" if engine.unavailable else engine.name
    if as_json:
        about = {"url": url, "public_key": public, "secret_key": secret, "pid": os.getpid(), "backend": name}
        print(json.dumps(about), flush=True)  # noqa: T201 - the command's output
        return
    keys = f"SIPFRONT_PUBLIC_KEY={public} SIPFRONT_SECRET_KEY={secret}"
    print(f"Lab at {url}: {in_words(engine, lab.file)}", flush=True)  # noqa: T201
    print(f"export SIPFRONT_BASE_URL={url} {keys}", flush=True)  # noqa: T201
    if lab.file.sift is not None:
        print(f"export SIFT_BASE_URL={url}/v0 SIFT_ACCOUNT_ID={public} SIFT_AUTH_TOKEN={secret}", flush=True)  # noqa: T201


def _examine(*, as_json: bool) -> int:
    diagnosis = doctor.run()
    print(json.dumps(diagnosis.checks) if as_json else diagnosis)  # noqa: T201 - the command's output
    return 0 if diagnosis.sound else 1


def _refuse(reason: str) -> int:
    print(f"lab: {reason}", file=sys.stderr)  # noqa: T201 - the command's output
    return 2


if __name__ == "__main__":
    sys.exit(main())
