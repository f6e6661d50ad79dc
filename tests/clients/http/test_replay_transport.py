"""A client that is answered from recordings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from pytest_sipfront.clients.http import HttpClient, Response
from pytest_sipfront.clients.http.recorder_transport import HttpRecorder
from pytest_sipfront.clients.http.replay_transport import Replay
from pytest_sipfront.clients.http.transport import Connect
from pytest_sipfront.clients.recordings import HttpRecording, RecordedExchange, read_recordings
from pytest_sipfront.errors import ConfigurationError, PlatformBusy, PlatformUnavailable
from tests.support import RESET, SECRET_KEY, FakeTime, Reply, Server, credentials

T = TypeVar("T")
URL = "https://platform.example"


def use(connect: Connect, action: Callable[[HttpClient], Awaitable[T]], base_url: str = URL) -> T:
    """Return the result of an action with a client whose time is virtual."""

    async def main() -> T:
        async with HttpClient(base_url, credentials(), timing=FakeTime().timing, connect=connect) as http:
            return await action(http)

    return anyio.run(main)


def replay(*sessions: list[RecordedExchange]) -> Replay:
    """Return the replay of recorded sessions, the latest first."""
    return Replay(
        HttpRecording(path=Path("r.jsonl"), service="Sipfront", base_url=URL, recorded_at="", exchanges=tuple(each))
        for each in sessions
    )


def launch(status: int = 200, json: Any = None, **fields: Any) -> RecordedExchange:
    return RecordedExchange(method="POST", path="/run", request={"n": "1"}, status=status, json=json, **fields)


def poll(state: str, **fields: Any) -> RecordedExchange:
    return RecordedExchange(method="GET", path="/status", status=200, json={"state": state}, **fields)


def state(response: Response) -> str:
    return str(response.data["state"])


async def post(http: HttpClient) -> Response:
    return await http.post("/run", {"n": 1})


async def post_once(http: HttpClient) -> Response:
    return await http.post("/run", {"n": 1}, when_busy=False)


def test_polls_are_answered_in_order_and_the_last_one_repeats() -> None:
    """A replay may poll more or less often than the recorded session."""

    async def poll_four_times(http: HttpClient) -> list[str]:
        return [await http.get("/status", state) for _ in range(4)]

    states = use(replay([poll("running"), poll("passed")]).connect, poll_four_times)
    assert states == ["running", "passed", "passed", "passed"]


def test_a_refused_launch_is_refused_and_repeated_as_recorded() -> None:
    """The recorded `Retry-After` is not waited for."""
    busy = launch(503, {"error": "no capacity"}, headers={"Retry-After": "3600"})
    assert use(replay([busy, launch(json={"ok": 1})]).connect, post).data == {"ok": 1}
    with pytest.raises(PlatformBusy) as raised:
        use(replay([busy]).connect, post_once)
    assert raised.value.retry_after is None


@pytest.mark.parametrize(
    ("error", "arrived"), [("ReadTimeout: slow", True), ("ConnectError: refused", False), ("Odd: gone", True)]
)
def test_a_lost_response_is_lost_again(error: str, arrived: bool) -> None:
    """Whether the launch may have had its effect is decided by the recorded error."""
    with pytest.raises(PlatformUnavailable) as raised:
        use(replay([launch(0, error=error)] * 40).connect, post)
    assert raised.value.arrived == arrived


def test_the_latest_recording_with_the_request_answers() -> None:
    """An older recording has the launches that the latest one lacks."""
    recordings = replay([poll("new")], [poll("old"), launch(json={"old": 1})])
    assert use(recordings.connect, lambda http: http.get("/status", state)) == "new"
    assert use(recordings.connect, post).data == {"old": 1}


def test_a_launch_is_answered_once() -> None:
    """A second launch would need a second recorded run."""

    async def post_twice(http: HttpClient) -> None:
        await post(http)
        await post(http)

    with pytest.raises(ConfigurationError, match="the recording has no further launch: POST /run n=1"):
        use(replay([launch(json={"ok": 1})]).connect, post_twice)


def test_numbers_and_texts_are_equal_requests() -> None:
    """JSON and form encoding differ in that."""
    assert use(replay([launch(json={"ok": 1})]).connect, lambda http: http.post("/run", {"n": "1"}, form=True)).data


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body={"text": 'a \\ "b" é 😀', "list": [1, 2.5, None, True], "secret": None}),
        Reply(body="<html><title>Sorry</title></html>", status=502, content_type="text/html"),
        Reply(body="", status=204),
        Reply(body='{"a": 1, "a": 2}', content_type="application/json"),
        Reply(body={"error": "no such test"}, status=404),
        RESET,
    ],
    ids=["json", "html", "empty", "duplicate keys", "refused", "reset"],
)
def test_a_replay_is_as_the_recorded_session(tmp_path: Path, reply: Reply) -> None:
    """The same data, or the same error."""

    async def outcome(http: HttpClient) -> object:
        try:
            return (await http.request("PUT", "/thing", body={"a": 1})).data
        except Exception as error:  # noqa: BLE001 - it is compared
            return type(error), str(error)

    with Server(reply) as server:
        recorder = HttpRecorder(
            tmp_path / "r.jsonl", service="Sipfront", base_url=server.url, scrub=credentials().scrub
        )
        recorded = use(recorder.connect, outcome, server.url)
    assert SECRET_KEY not in (tmp_path / "r.jsonl").read_text()
    assert use(Replay(read_recordings(tmp_path)).connect, outcome, server.url) == recorded
