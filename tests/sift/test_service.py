"""Sift's side of the lab with other receivers than the project's own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pytest_sipfront.lab.file.sift_section import Callee, SiftSpec, Turn
from pytest_sipfront.lab.sift.call_server import CallServer
from pytest_sipfront.lab.sift.connections import LabConnection
from pytest_sipfront.lab.sift.remote_party import ScriptedParty
from tests.sift.conftest import BANK, SiftLab, bank
from tests.support import TIMEOUT, Reply, Server

AUTH = ("lab-public", "lab-secret")
SAY = {"name": "Say", "text": "hello"}
HANG_UP = {"name": "HangUp"}


def reply(body: Any) -> Reply:
    return Reply(body=body, headers={"Connection": "close"})  # the server ends with its last connection


def until(ready: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + TIMEOUT
    while not ready():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def place(sift_lab: SiftLab, status_url: str, number: str = BANK) -> httpx.Response:
    body = {"phone_number": number, "status_url": status_url}
    return httpx.post(f"{sift_lab.url}/connections", json=body, auth=AUTH, trust_env=False)


def over(sift_lab: SiftLab) -> bool:
    legs = list(sift_lab.service.calls.connections)
    return bool(legs) and all(leg.is_over for leg in legs)


def bodies(server: Server) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in server.requests]


def test_a_routine_in_the_reply_to_a_status_is_performed(sift_lab: SiftLab) -> None:
    """A routine that is set while the connection rings starts with the answer."""
    sift_lab.configure(bank())
    with Server(reply({"routine": [SAY, HANG_UP]}), reply({})) as server:
        place(sift_lab, f"{server.url}/status")
        until(lambda: over(sift_lab))
        until(lambda: len(server.requests) == 3)
        statuses = [body["connection"]["status"] for body in bodies(server)]
    assert statuses == ["connecting", "connected", "finished"]
    assert [command["name"] for command in sift_lab.commands] == ["Say", "HangUp"]
    assert {body["account_id"] for body in bodies(server)} == {"lab-public"}


def test_the_same_routine_in_every_reply_starts_anew_at_every_change(sift_lab: SiftLab) -> None:
    """A new routine replaces the current one, even if both are equal."""
    sift_lab.configure(bank("says: hello", "says: again"))
    routine = [{"name": "GetFreeResponse", "timeout_seconds": 5, "on_done": "{url}/done"}]
    with Server() as server:
        routine[0]["on_done"] = f"{server.url}/done"
        server._script = (reply({"routine": routine}), reply({"routine": routine}), reply({}))  # noqa: SLF001
        place(sift_lab, f"{server.url}/status")
        until(lambda: len([r for r in server.requests if r.target == "/done"]) >= 1)
    names = [command["name"] for command in sift_lab.commands]
    assert names.count("GetFreeResponse") == 2


def test_a_routine_in_the_reply_to_a_done_replaces_the_rest(sift_lab: SiftLab) -> None:
    """The rest of the old routine is not performed."""
    sift_lab.configure(bank())
    with Server(reply({}), reply({}), reply({"routine": [HANG_UP]}), reply({})) as server:
        answer = place(sift_lab, f"{server.url}/status")
        until(lambda: len(server.requests) == 2)
        routine = [{**SAY, "on_done": f"{server.url}/done"}, {"name": "Say", "text": "never"}]
        url = f"{sift_lab.url}/connections/{answer.json()['connection_id']}"
        set_ = httpx.post(url, json={"routine": routine}, auth=AUTH, trust_env=False)
        until(lambda: over(sift_lab))
    assert (set_.status_code, set_.content) == (200, b"")
    assert [command.get("text", command["name"]) for command in sift_lab.commands] == ["hello", "HangUp"]


@pytest.mark.parametrize("said", ["", "not json", "[]", '"text"', '{"routine": "Say"}', '{"routine": [7]}'])
def test_an_invalid_reply_has_no_effect(sift_lab: SiftLab, said: str) -> None:
    """The call continues unchanged."""
    sift_lab.configure(bank())
    with Server(reply(said)) as server:
        place(sift_lab, f"{server.url}/status")
        until(lambda: len(server.requests) == 2)
        [leg] = sift_lab.service.calls.connections
        until(lambda: leg.status == "connected")
    assert sift_lab.commands == []


def application(sift_lab: SiftLab, **fields: Any) -> None:
    answer = httpx.post(f"{sift_lab.url}/applications", json={"name": "ivr", **fields}, auth=AUTH, trust_env=False)
    assert answer.status_code == 200


CALLER = 'callers: [{from: "+15550100999", to: "+15550100300", client_data: {username: jimmy}}]'


def test_an_incoming_call_performs_the_routine_of_the_reply(sift_lab: SiftLab) -> None:
    """The callback contains the account and a connection that is already connected."""
    sift_lab.configure(CALLER)
    with Server(reply({"routine": [SAY, HANG_UP]})) as server:
        application(sift_lab, on_incoming=f"{server.url}/incoming")
        until(lambda: over(sift_lab))
        [body] = bodies(server)
    assert body["connection"]["status"] == "connected"
    assert (body["connection"]["from"], body["connection"]["to"]) == ("+15550100999", "+15550100300")
    assert body["connection"]["client_data"] == {"username": "jimmy"}
    assert [command["name"] for command in sift_lab.commands] == ["Say", "HangUp"]


def test_a_default_routine_is_used_without_a_url_for_incoming_calls(sift_lab: SiftLab) -> None:
    """An application without `on_incoming` uses `default_routine`."""
    sift_lab.configure(CALLER)
    application(sift_lab, default_routine=[SAY, HANG_UP])
    until(lambda: over(sift_lab))
    assert [command["name"] for command in sift_lab.commands] == ["Say", "HangUp"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"phone_number": BANK}, "status_url is required"),
        ({"status_url": "http://x"}, "One of phone_number and client_name must be provided"),
        ({"status_url": "http://x", "phone_number": BANK, "client_name": "a"}, "One of phone_number and client_name"),
        ({"status_url": "http://x", "phone_number": "100"}, "100 is not a valid phone number"),
        ([], "The request body must be an object"),
    ],
)
def test_an_invalid_create_is_refused(sift_lab: SiftLab, body: Any, error: str) -> None:
    """The error has Sift's form."""
    answer = httpx.post(f"{sift_lab.url}/connections", json=body, auth=AUTH, trust_env=False)
    assert answer.status_code == 400
    assert error in answer.json()["error"]
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("routine", "error"),
    [
        ("Say", "routine must be a list of commands"),
        ([7], "Unknown command 7"),
        ([{"text": "hi"}], "Unknown command None"),
        ([{"name": "Play"}], "Play needs sound_url"),
        ([{"name": "GetMultipleChoice"}], "GetMultipleChoice needs choices"),
        ([{"name": "GetName", "timeout_seconds": "5"}], "timeout_seconds must be a number of seconds"),
    ],
)
def test_an_invalid_routine_is_refused(sift_lab: SiftLab, routine: Any, error: str) -> None:
    """The connection continues unchanged."""
    sift_lab.configure(bank())
    connection = place(sift_lab, "http://127.0.0.1:9/status").json()["connection_id"]
    url = f"{sift_lab.url}/connections/{connection}"
    answer = httpx.post(url, json={"routine": routine}, auth=AUTH, trust_env=False)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert sift_lab.commands == []


def test_an_undeliverable_callback_is_recorded_and_not_retried(sift_lab: SiftLab) -> None:
    """The call continues."""
    sift_lab.configure(bank())
    place(sift_lab, "http://127.0.0.1:9/status")
    until(lambda: len(sift_lab.posted("status")) == 2)
    assert {posted.outcome for posted in sift_lab.posted("status")} == {"ConnectError"}
    assert [leg.status for leg in sift_lab.service.calls.connections] == ["connected"]


def test_an_invalid_cursor_is_refused(sift_lab: SiftLab) -> None:
    """The response is an error 400."""
    answer = httpx.get(f"{sift_lab.url}/connections?cursor=xyz", auth=AUTH, trust_env=False)
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid cursor"})


def test_a_hang_up_between_setting_a_routine_and_its_first_command_ends_the_call() -> None:
    """No command is interrupted or performed then."""

    async def main() -> tuple[str, list[dict[str, Any]]]:
        calls = CallServer(SiftSpec(done_on_hangup=True), "lab-public")
        remote = ScriptedParty(Callee(script=(Turn(hangs_up=0),)))
        leg = LabConnection("+1", "+2", "incoming", remote)
        leg.set_status("connected")
        calls.connections.add(leg)
        remote._hung_up.set()  # noqa: SLF001 - at the very moment when the routine arrives
        calls.set_routine(leg, [{**SAY, "on_done": "http://127.0.0.1:9/done"}])
        await calls._follow_hangup(leg)  # noqa: SLF001
        await calls.close()
        return leg.status, leg.commands

    status, commands = asyncio.run(main())
    assert (status, commands) == ("finished", [])
