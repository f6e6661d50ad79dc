"""`python -m pytest_sipfront.engine`: the engine of one pytest session. The plugin starts it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sys
from typing import Any

from pytest_sipfront.engine import wire
from pytest_sipfront.engine.server import Server


def main(start: dict[str, Any]) -> None:
    """Serve until the session has ended. Then remove the directory, except after a crash: its log explains that.

    Args:
        start: `token`, `directory`, and the listening socket as `fd` (or `share` on Windows).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening = socket.socket(fileno=start["fd"]) if "fd" in start else _shared(start["share"])
    asyncio.run(Server(start["token"]).serve(listening))
    shutil.rmtree(start["directory"], ignore_errors=True)


def _shared(share: str) -> socket.socket:
    return socket.fromshare(bytes.fromhex(share))  # type: ignore[attr-defined,no-any-return,unused-ignore]


if __name__ == "__main__":
    main(wire.decode(sys.stdin.buffer.readline()))
