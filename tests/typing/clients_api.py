"""Uses of the clients without pytest, for the type checker: this code does not run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type

from pytest_sipfront.clients.http import Basic, Bearer, HttpClient
from pytest_sipfront.clients.sift import Connection, HangUp, Say, SiftClient
from pytest_sipfront.clients.sipfront import Document, Launched, RunRequest, RunStatus, SipfrontClient
from pytest_sipfront.secret import Secret


async def uses_sipfront() -> None:
    http = HttpClient("https://app.sipfront.com", Basic(Secret("public"), Secret("secret")))
    async with SipfrontClient(http) as client:
        launched = await client.launch(RunRequest(test="Basic call", overrides={"step.1.0.dial_destination": "431"}))
        assert_type(launched, Launched)
        status = await client.status(launched.status_url)
        assert_type(status, RunStatus)
        assert_type(status.has_passed, bool | None)
        assert_type(await client.request("GET", "/appimages"), Document)


async def uses_sift() -> None:
    http = HttpClient("https://api.gridspace.com/v0", Bearer(Secret("token")), service="Sift")
    async with SiftClient(http) as client:
        assert_type(client.connections(), AsyncIterator[Connection])
        created = await client.create_connection(status_url="https://qa.example.com/cb", phone_number="+15550100200")
        assert_type(created, Connection | None)
        await client.set_routine("1994a0ee21b612ee", [Say(text="hello"), {"name": "Dance"}, HangUp()])
