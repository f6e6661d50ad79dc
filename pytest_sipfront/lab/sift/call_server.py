"""How connections live: they ring, connect, carry out routines command by command, post callbacks, and end.

Where no page says: a connection stays up when its routine is done; a command's `on_done` is answered before the next
command begins, and a routine in that answer replaces what is left; a hang-up ends a command without its callback; a
routine that is set while it rings starts when it is picked up, but HangUp ends the ringing, and the call is failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pytest_sipfront.lab.file.sift_section import Callee, Caller, SiftSpec
from pytest_sipfront.lab.sift.callback_sender import CallbackSender
from pytest_sipfront.lab.sift.commands import objection
from pytest_sipfront.lab.sift.connections import CONNECTED, CONNECTING, FAILED, FINISHED, Connections, LabConnection
from pytest_sipfront.lab.sift.conversations import CONVERSING, Conversations
from pytest_sipfront.lab.sift.remote_party import RemoteParty, ScriptedParty
from pytest_sipfront.lab.sift.scripted_callee import LISTENING, Reply

OUR_NUMBER = "+15550100000"


class CallServer:
    """Sift's side of every call of one lab."""

    def __init__(self, spec: SiftSpec, account_id: str, telephony: Any = None) -> None:
        """Begin without a call; `telephony` reaches the lab's real phones, None where there are none."""
        self.spec = spec
        self._telephony = telephony
        self.account_id = account_id
        self.connections = Connections(spec.page_size)
        self.postman = CallbackSender(spec.callbacks)
        self.conversations = Conversations(self)

    async def close(self) -> None:
        """End every call without a word."""
        for leg in self.connections:
            self._stop(leg)
            _stay(leg)
            if not leg.is_over:
                await leg.far.end()
        await self.postman.close()

    # ---- outbound and inbound

    async def create(self, to: str, status_url: str) -> LabConnection:
        """Begin a call to `to` and return its connection, still connecting."""
        far = self._far(self.spec.callee(to))
        leg = LabConnection(to, OUR_NUMBER, "incoming", far, status_url)  # as the page has it: Sift initiated it
        self.connections.add(leg)
        fault = self.postman.fault("status", leg, CONNECTING)
        if fault.early:
            await self._report(leg, fault)
        self.postman.spawn(self._ring(leg, None if fault.early else fault))
        return leg

    async def _ring(self, leg: LabConnection, fault: Any) -> None:
        if fault is not None:
            await self._report(leg, fault)
        answered = await leg.far.ring()
        if leg.is_over:
            return
        if not answered:
            await self._end(leg, FAILED)
            return
        leg.enter(CONNECTED)
        routine, leg.pending = leg.pending, None
        reported = self.postman.spawn(self._report(leg))
        if routine is not None:
            self.set_routine(leg, routine)
        self._watch(leg)
        await reported

    async def receive(self, caller: Caller, application: Mapping[str, Any]) -> LabConnection:
        """Let `caller` call a number that `application` answers, and return the connection."""
        await asyncio.sleep(caller.after)
        far = self._far(Callee(script=caller.script))
        leg = LabConnection(caller.to, caller.from_, "incoming", far, client_data=caller.client_data)
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

    async def end(self, leg: LabConnection) -> None:
        """Let whoever called hang up."""
        await self._end(leg, FINISHED)

    def _far(self, callee: Callee | None) -> RemoteParty:
        if callee is not None and callee.phone is not None and self._telephony is not None:
            from pytest_sipfront.lab.sift.phone_party import PhoneCall  # noqa: PLC0415 - needs what may be missing

            return PhoneCall(self._telephony, callee.phone, callee.words)
        return ScriptedParty(callee, self.spec.timeout_scale)

    # ---- routines

    def set_routine(self, leg: LabConnection, routine: list[dict[str, Any]]) -> None:
        """Stop what a connection does and let it do `routine`; before it is connected, once it is."""
        leg.routine += 1
        leg.doing = {}
        self._stop(leg)
        if leg.status == CONNECTING:
            leg.pending = routine
            if routine and routine[0]["name"] == "HangUp":
                self.postman.spawn(self._end(leg, FAILED))
        elif leg.status == CONNECTED:
            leg.work = self.postman.spawn(self._perform(leg, routine, leg.routine))

    async def _perform(self, leg: LabConnection, routine: list[dict[str, Any]], number: int) -> None:
        for command in routine:
            leg.commands.append(command)
            leg.doing = command
            answer = await self._carry_out(leg, command)
            leg.doing = {}
            if leg.is_over or answer is None:
                return
            if url := command.get("on_done"):
                body = {"account_id": self.account_id, "connection_id": leg.id, **answer}
                if self._obey(leg, await self.postman.post("done", leg, url, body), number):
                    return

    async def _carry_out(self, leg: LabConnection, command: Mapping[str, Any]) -> Mapping[str, Any] | None:
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
            return self._answer(name, await leg.far.ask(command))
        await leg.far.hear(command)
        return {}

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

    def _obey(self, leg: LabConnection, reply: Mapping[str, Any], number: int) -> bool:
        """Start the routine that a reply holds, unless another one has been set meanwhile."""
        routine = reply.get("routine")
        if not routine or objection(routine) or leg.routine != number or leg.is_over:
            return False
        self.set_routine(leg, routine)
        return True

    # ---- ends

    def _watch(self, leg: LabConnection) -> None:
        """End the connection when the other side hangs up."""
        if leg.leaving is None and not leg.is_over:
            leg.leaving = self.postman.spawn(self._leave(leg))

    async def _leave(self, leg: LabConnection) -> None:
        await leg.far.gone()
        if leg.is_over:
            return
        cut_short = leg.doing
        await self._end(leg, FINISHED)
        if self.spec.done_on_hangup and (url := cut_short.get("on_done")):
            body = {"account_id": self.account_id, "connection_id": leg.id}
            await self.postman.post("done", leg, url, body)

    async def _end(self, leg: LabConnection, status: str) -> None:
        if leg.is_over:
            return
        leg.enter(status)
        _stay(leg)
        if leg.work is not asyncio.current_task():
            self._stop(leg)
        await leg.far.end()
        await self._report(leg)

    def _stop(self, leg: LabConnection) -> None:
        if leg.work is not None:
            leg.work.cancel()
            leg.work = None

    async def _report(self, leg: LabConnection, fault: Any = None) -> None:
        if not leg.status_url:
            return
        number = leg.routine
        fault = fault or self.postman.fault("status", leg, leg.status)
        body = {"account_id": self.account_id, "connection": leg.as_json()}
        self._obey(leg, await self.postman.post("status", leg, leg.status_url, body, fault), number)


def _stay(leg: LabConnection) -> None:
    if leg.leaving is not None and leg.leaving is not asyncio.current_task():
        leg.leaving.cancel()
        leg.leaving = None
