from __future__ import annotations

import asyncio
import socket

import pytest

from pytest_sipfront.lab.addresses import is_loopback
from pytest_sipfront.lab.web.server import bind, url_of


def test_nagle_s_algorithm_is_disabled() -> None:
    """On accepted connections; otherwise each request takes 40 ms longer."""

    async def option_of_an_accepted_connection() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def read_option(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = bind("127.0.0.1", 0)
        async with await asyncio.start_server(read_option, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            option = await accepted
            writer.close()
            await writer.wait_closed()
        return option

    assert asyncio.run(option_of_an_accepted_connection()) != 0


def test_port_0_selects_a_free_port() -> None:
    """The URL has its number."""
    with bind("127.0.0.1", 0) as listening:
        assert url_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False)],
)
def test_loopback_addresses_are_recognized(host: str, loopback: bool) -> None:
    """No other machine can reach them."""
    assert is_loopback(host) is loopback
