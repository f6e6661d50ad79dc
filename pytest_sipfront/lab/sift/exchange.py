"""How connections live: they ring, connect, carry out routines command by command, post callbacks, and end.

Where no page says: a connection stays up when its routine is done; a command's `on_done` is answered before the next
command begins, and a routine in that answer replaces what is left; a hang-up ends a command without its callback; a
routine that is set while it rings starts when it is picked up, but HangUp ends the ringing, and the call is failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pytest_sipfront.lab.sift.callee import LISTENING, Listener, Reply
from pytest_sipfront.lab.sift.config import CONNECTS, Caller, SiftSpec
from pytest_sipfront.lab.sift.conversations import CONVERSING, Conversations
from pytest_sipfront.lab.sift.legs import CONNECTED, CONNECTING, FAILED, FINISHED, Connections, Leg
from pytest_sipfront.lab.sift.posting import Postman

DEFAULT_TIMEOUT = 10
OUR_NUMBER = "+15550100000"


class Exchange:
    """Sift's side of every call of one lab."""

    def __init__(self, spec: SiftSpec, account_id: str) -> None:
        self.spec = spec
        self.account_id = account_id
        self.connections = Connections(spec.page_size)
        self.postman = Postman(spec.callbacks)
        self.conversations = Conversations(self)

    async def close(self) -> None:
        """End every call without a word."""
        for leg in self.connections:
            self._stop(leg)
            _stay(leg)
        await self.postman.close()

    # ---- outbound and inbound

    async def create(self, to: str, status_url: str) -> Leg:
        """Begin a call to `to` and return its connection, still connecting."""
        callee = self.spec.callee(to)
        script = callee.script if callee else ()
        leg = Leg(to, OUR_NUMBER, "incoming", Listener(script), status_url)  # as the page has it: Sift initiated it
        self.connections.add(leg)
        fault = self.postman.fault("status", leg, CONNECTING)
        if fault.early:
            await self._report(leg, fault)
        self.postman.spawn(self._ring(leg, None if fault.early else fault))
        return leg

    async def _ring(self, leg: Leg, fault: Any) -> None:
        if fault is not None:
            await self._report(leg, fault)
        callee = self.spec.callee(leg.to)
        await asyncio.sleep(callee.rings if callee else 0)
        if leg.is_over:
            return
        if callee is None or callee.answer != CONNECTS:
            await self._end(leg, FAILED)
            return
        leg.enter(CONNECTED)
        routine, leg.pending = leg.pending, None
        reported = self.postman.spawn(self._report(leg))
        if routine is not None:
            self.set_routine(leg, routine)
        self._watch(leg)
        await reported

    async def receive(self, caller: Caller, application: Mapping[str, Any]) -> Leg:
        """Let `caller` call a number that `application` answers, and return the connection."""
        await asyncio.sleep(caller.after)
        leg = Leg(caller.to, caller.from_, "incoming", Listener(caller.script), client_data=caller.client_data)
        leg.enter(CONNECTED)
        self.connections.add(leg)
        url = application.get("on_incoming")
        if not url:
            self._obey(leg, {"routine": application.get("default_routine")}, leg.routine)
            self._watch(leg)
            return leg
        number = leg.routine
        body = {"account_id": self.account_id, "connection": leg.as_json()}
        self._obey(leg, await self.postman.post("incoming", leg, url, body), number)
        self._watch(leg)
        return leg

    async def end(self, leg: Leg) -> None:
        """Let whoever called hang up."""
        await self._end(leg, FINISHED)

    # ---- routines

    def set_routine(self, leg: Leg, routine: list[dict[str, Any]]) -> None:
        """Stop what a connection does and let it do `routine`; before it is connected, once it is."""
        leg.routine += 1
        self._stop(leg)
        if leg.status == CONNECTING:
            leg.pending = routine
            if routine and routine[0]["name"] == "HangUp":
                self.postman.spawn(self._end(leg, FAILED))
        elif leg.status == CONNECTED:
            leg.work = self.postman.spawn(self._perform(leg, routine, leg.routine))

    async def _perform(self, leg: Leg, routine: list[dict[str, Any]], number: int) -> None:
        for command in routine:
            leg.commands.append(command)
            answer = await self._carry_out(leg, command)
            if leg.is_over or answer is None:
                return
            if url := command.get("on_done"):
                body = {"account_id": self.account_id, "connection_id": leg.id, **answer}
                if self._obey(leg, await self.postman.post("done", leg, url, body), number):
                    return

    async def _carry_out(self, leg: Leg, command: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what a command reports when it is done; None if the connection ended with it."""
        await asyncio.sleep(self.spec.takes)
        name = command["name"]
        if name == "HangUp":
            await self._end(leg, FINISHED)
            return None
        if name in CONVERSING:
            await self.conversations.hold(leg, command)
            return {}
        if name in LISTENING:
            return await self._listen(leg, command)
        leg.listener.hear(str(command.get("text", command.get("sound_url", ""))))
        self._watch(leg)
        return {}

    async def _listen(self, leg: Leg, command: Mapping[str, Any]) -> Mapping[str, Any]:
        reply = leg.listener.ask(command)
        silent = reply.value is None and reply.error == "timeout"
        seconds = command.get("timeout_seconds", DEFAULT_TIMEOUT) * self.spec.timeout_scale
        await asyncio.sleep(seconds if silent else reply.takes)
        self._watch(leg)
        return self._answer(command["name"], reply)

    def _answer(self, name: str, reply: Reply) -> Mapping[str, Any]:
        key = LISTENING[name]
        if reply.value is not None:
            return {key: reply.value}
        if self.spec.no_answer == "absent":
            return {}
        if self.spec.no_answer == "null":
            return {key: None}
        if self.spec.no_answer == "documented" and name == "GetNumber":
            return {key: None, "error": reply.error}
        return {key: ""}

    def _obey(self, leg: Leg, reply: Mapping[str, Any], number: int) -> bool:
        """Start the routine that a reply holds, unless another one has been set meanwhile."""
        routine = reply.get("routine")
        if not isinstance(routine, list) or not routine or leg.routine != number or leg.is_over:
            return False
        self.set_routine(leg, routine)
        return True

    # ---- ends

    def _watch(self, leg: Leg) -> None:
        """Let the callee hang up when its script says so."""
        seconds = leg.listener.leaves_after()
        if seconds is not None and leg.leaving is None and leg.status == CONNECTED:
            loop = asyncio.get_running_loop()
            leg.leaving = loop.call_later(seconds, lambda: self.postman.spawn(self._leave(leg)))

    async def _leave(self, leg: Leg) -> None:
        cut_short = leg.commands[-1] if leg.work and not leg.work.done() else {}
        await self._end(leg, FINISHED)
        if self.spec.done_on_hangup and (url := cut_short.get("on_done")):
            body = {"account_id": self.account_id, "connection_id": leg.id}
            await self.postman.post("done", leg, url, body)

    async def _end(self, leg: Leg, status: str) -> None:
        if leg.is_over:
            return
        leg.enter(status)
        _stay(leg)
        if leg.work is not asyncio.current_task():
            self._stop(leg)
        await self._report(leg)

    def _stop(self, leg: Leg) -> None:
        if leg.work is not None:
            leg.work.cancel()
            leg.work = None

    async def _report(self, leg: Leg, fault: Any = None) -> None:
        if not leg.status_url:
            return
        number = leg.routine
        fault = fault or self.postman.fault("status", leg, leg.status)
        body = {"account_id": self.account_id, "connection": leg.as_json()}
        self._obey(leg, await self.postman.post("status", leg, leg.status_url, body, fault), number)


def _stay(leg: Leg) -> None:
    if leg.leaving is not None:
        leg.leaving.cancel()
        leg.leaving = None
