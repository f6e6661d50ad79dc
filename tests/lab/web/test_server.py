from __future__ import annotations

import asyncio
import socket

import pytest

from pytest_sipfront.lab.hosts import is_loopback
from pytest_sipfront.lab.web.server import bind, url_of


def test_answers_are_not_held_back_by_the_network_stack() -> None:
    """Nagle's delay is off on accepted connections: with it every request would cost 40 ms."""

    async def option_of_an_accepted_connection() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = bind("127.0.0.1", 0)
        async with await asyncio.start_server(look, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            option = await accepted
            writer.close()
            await writer.wait_closed()
        return option

    assert asyncio.run(option_of_an_accepted_connection()) != 0


def test_a_free_port_is_taken_and_told() -> None:
    """Port 0 asks for any; the URL has the one that was given."""
    with bind("127.0.0.1", 0) as listening:
        assert url_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False)],
)
def test_loopback_is_known_by_its_address(host: str, loopback: bool) -> None:
    """Only what no other machine can reach."""
    assert is_loopback(host) is loopback
