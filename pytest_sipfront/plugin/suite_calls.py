"""The calls of a suite file: what a test of its section `calls` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_sipfront.errors import DetailedError
from pytest_sipfront.plugin.reports.error_details import raise_at
from pytest_sipfront.plugin.run_spec import fill, with_params
from pytest_sipfront.plugin.sipfront_fixture import Sipfront
from pytest_sipfront.sift.answers import NO_ANSWER, NoAnswer, normalised
from pytest_sipfront.sift.call import Call
from pytest_sipfront.sift.calls import Calls, Incoming
from pytest_sipfront.suites.call_steps import CallStep
from pytest_sipfront.suites.loading import Entry
from pytest_sipfront.suites.suite_file import CallTest


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScenario:
    """A call to place or to take, and its steps.

    Attributes:
        path: The file.
        name: The name of the test.
        line: The line of the test in that file.
        lines: The lines of the steps.
        endpoint: The number or client to call, or the number whose incoming call to take.
        connect_within: Time for the call to be answered or to come in, in seconds.
        is_answered: Whether the call must be answered.
        registers: Whether to register the number of an incoming call at Sift.
        run: The merged arguments of the run that must place the incoming call; None for no run.
        steps: The steps of the call.
    """

    path: str
    name: str
    line: int
    lines: Sequence[int]
    endpoint: Mapping[str, Any]
    connect_within: float
    is_answered: bool
    registers: bool
    run: Mapping[str, Any] | None
    steps: Sequence[CallStep]

    @classmethod
    def of(cls, entry: Entry, keys: CallTest, connect_within: float, run: Mapping[str, Any] | None) -> CallScenario:
        """Return the scenario of a test."""
        endpoint = {name: getattr(keys, name) for name in ("phone_number", "client_name", "incoming")}
        return cls(
            path=str(entry.path),
            name=keys.name,
            line=entry.line,
            lines=[entry.step_line(index) for index in range(len(keys.steps))],
            endpoint={name: value for name, value in endpoint.items() if value is not None},
            connect_within=connect_within,
            is_answered=keys.expect == "connected",
            registers=keys.register_number,
            run=run,
            steps=keys.steps,
        )

    def place(self, calls: Calls, cells: Mapping[str, str]) -> None:
        """Place the call and perform its steps.

        Args:
            calls: Places the call.
            cells: The values of the placeholders.

        Raises:
            CallFailed: The call or the other side did not behave as expected. Raised as if by the line of the step.
            SipfrontError: Sift failed.
        """
        __tracebackhide__ = True

        def connect() -> Call:
            call = calls(**fill(self.endpoint, cells))
            if self.is_answered:
                call.expect_connected(self.connect_within)
            elif call.expect_status("connected", "failed", within=self.connect_within) == "connected":
                raise call.failure("connected, although the call must fail")
            return call

        self._perform(connect, cells)

    def take(self, incoming: Incoming, sipfront: Sipfront | None, cells: Mapping[str, str]) -> None:
        """Wait for the call and perform its steps.

        Args:
            incoming: Waits for the call.
            sipfront: Launches the run that must place the call; None if the scenario has no run.
            cells: The values of the placeholders.

        Raises:
            CallFailed: The call, the other side or the run did not behave as expected.
            RunFailed: The verdict of the run is not passed.
            SipfrontError: Sift failed, or there is no verdict.
        """
        __tracebackhide__ = True
        number = fill(self.endpoint, cells)["incoming"]
        pending = []

        def connect() -> Call:
            if self.registers:
                incoming.register(number)
            if sipfront is not None and self.run is not None:
                pending.append(sipfront.launch(**with_params(fill(self.run, cells))))
            return incoming(to=number, within=self.connect_within)

        def check(call: Call) -> None:
            for run in pending:
                pairing = call.matches(run.wait(), dialled=number)
                if not pairing:
                    raise call.failure(f"the run did not place this call: {pairing!r}")

        self._perform(connect, cells, check)

    def _perform(
        self, connect: Callable[[], Call], cells: Mapping[str, str], check: Callable[[Call], None] = lambda _: None
    ) -> None:
        __tracebackhide__ = True
        line = self.line
        try:
            call = connect()
            for line, step in zip(self.lines, self.steps, strict=True):  # noqa: B007 - used after an error
                choices = [fill({"choices": choice}, cells)["choices"] for choice in step.choices or ()]
                _perform(call, step, {**fill(step.arguments(), cells), "choices": choices})
            line = self.line
            check(call)
        except DetailedError as error:
            raise_at(self.path, line, self.name, error)


def _perform(call: Call, step: CallStep, arguments: Mapping[str, Any]) -> None:
    """Perform a step whose texts are filled."""
    value = arguments[step.verb]
    match step.verb:
        case "say":
            call.say(value)
        case "play":
            call.play(value)
        case "hang_up":
            call.hang_up()
        case "wait_finished":
            call.wait_finished(value)
        case "bridge" | "conference":
            _converse(call, step, value, arguments.get("event"))
        case "silence":
            _expect(call, "silence", call.listen(value), NO_ANSWER)
        case "listen":
            heard = call.listen(step.within, prompt_url=arguments.get("prompt_url")).says(value, step.wer)
            if not heard:
                rate = f"word error rate {heard.wer:.2f}, allowed {heard.allowed:.2f}"
                raise call.failure(f"heard {heard.heard!r}, expected {value!r} ({rate})")
        case verb:
            _answer(call, verb, value, step.within, arguments)


def _converse(call: Call, step: CallStep, name: str, event: str | None) -> None:
    """Start a conversation and wait for its event. A conference of this call alone does not end before the call."""
    conversation = call.bridge(name) if step.verb == "bridge" else call.join_conference(name)
    awaited = event or ("ended" if step.verb == "bridge" else "")
    if awaited:
        conversation.expect_event(awaited, step.within)


def _answer(call: Call, verb: str, expected: object, within: float, arguments: Mapping[str, Any]) -> None:
    """Listen for the answer to a verb, and compare it."""
    options = {"timeout": within, "prompt_url": arguments.get("prompt_url")}
    if verb == "digits":
        options["count"] = len(str(expected))
    elif verb == "choose":
        options["choices"] = arguments["choices"]
    answer = getattr(call, verb)(**options)
    if verb == "name" and isinstance(answer, str):
        answer, expected = normalised(answer), normalised(str(expected))
    _expect(call, verb, answer, expected)


def _expect(call: Call, verb: str, answer: object, expected: object) -> None:
    if answer is not expected and answer != expected:
        heard = "no answer" if isinstance(answer, NoAnswer) else repr(str(answer))
        raise call.failure(f"{verb}: {heard}, expected {'no answer' if expected is NO_ANSWER else repr(expected)}")
