"""Calls at Sift: connections ring, connect, perform routines command by command, send callbacks, and end.

Assumptions where the documentation is silent: a connection stays up after its routine. The response to a command's
`on_done` is read before the next command starts, and a routine in it replaces the rest. A hang-up ends a command
without its callback. A routine that is set while the connection rings starts with the answer, but HangUp ends the
ringing and the connection has failed. A command that listens without `on_done` reports to nothing, so it takes no
answer from the other side. With `needs_routine`, a response to `connected` without a routine ends the connection,
unless a routine was set by request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pytest_sipfront.lab.file.sift_section import CallbackFault, Callee, Caller, SiftSpec
from pytest_sipfront.lab.sift.callback_sender import CallbackSender
from pytest_sipfront.lab.sift.commands import CONVERSING, LISTENING, routine_error
from pytest_sipfront.lab.sift.connections import CONNECTED, CONNECTING, FAILED, FINISHED, Connections, LabConnection
from pytest_sipfront.lab.sift.conversations import Conversations
from pytest_sipfront.lab.sift.remote_party import DEFAULT_TIMEOUT, RemoteParty, ScriptedParty
from pytest_sipfront.lab.sift.scripted_callee import Answer

ACCOUNT_NUMBER = "+15550100000"


class CallServer:
    """Sift's side of every call of one lab.

    Args:
        spec: The section `sift` of the lab file.
        account_id: The account id in callbacks.
        telephony: The switchboard of the lab's phones; None if no call can be placed.
    """

    def __init__(self, spec: SiftSpec, account_id: str, telephony: Any = None) -> None:
        self.spec = spec
        self.account_id = account_id
        self.connections = Connections(spec.page_size)
        self.callbacks = CallbackSender(spec.callbacks)
        self.conversations = Conversations(spec, self.connections, self.callbacks)
        self._telephony = telephony

    async def close(self) -> None:
        """End every call without callbacks."""
        for connection in self.connections:
            connection.stop_routine()
            connection.stop_hangup_watch()
            if not connection.is_over:
                await connection.remote.hang_up()
        await self.callbacks.close()

    # ---- outbound and inbound calls

    async def create(self, to: str, status_url: str) -> LabConnection:
        """Start a call to `to` and return its connection, which is still connecting."""
        remote = self._remote_party(self.spec.callee(to))
        # "incoming" is what the documentation shows for a connection that Sift initiated
        connection = LabConnection(to, ACCOUNT_NUMBER, "incoming", remote, status_url)
        self.connections.add(connection)
        fault = self.callbacks.fault("status", connection, CONNECTING)
        if fault.early:
            await self._send_status(connection, fault)
        self.callbacks.spawn(self._ring(connection, None if fault.early else fault))
        return connection

    async def _ring(self, connection: LabConnection, fault: CallbackFault | None) -> None:
        if fault is not None:
            await self._send_status(connection, fault)
        answered = await connection.remote.ring()
        if connection.is_over:
            return
        if not answered:
            await self._end(connection, FAILED)
            return
        connection.set_status(CONNECTED)
        routine, connection.pending_routine = connection.pending_routine, None
        status_sent = self.callbacks.spawn(self._send_status(connection))
        if routine is not None:
            self.set_routine(connection, routine)
        self._watch_for_hangup(connection)
        await status_sent

    async def receive(self, caller: Caller, application: Mapping[str, Any]) -> LabConnection:
        """Place the call of `caller` to a number of `application`, and return its connection."""
        await asyncio.sleep(caller.after)
        remote = self._remote_party(Callee(script=caller.script))
        connection = LabConnection(caller.to, caller.from_, "incoming", remote, client_data=caller.client_data)
        connection.set_status(CONNECTED)
        self.connections.add(connection)
        number = connection.routine_number
        url = application.get("on_incoming")
        if url:
            body = {"account_id": self.account_id, "connection": connection.as_json()}
            reply = await self.callbacks.send("incoming", connection, url, body)
        else:
            reply = {"routine": application.get("default_routine")}
        self._apply(reply, connection, number)
        self._watch_for_hangup(connection)
        return connection

    async def end(self, connection: LabConnection) -> None:
        """End a connection as its caller would, by hanging up."""
        await self._end(connection, FINISHED)

    def _remote_party(self, callee: Callee | None) -> RemoteParty:
        if callee is not None and callee.phone is not None and self._telephony is not None:
            from pytest_sipfront.lab.sift.phone_party import PhoneParty  # noqa: PLC0415 - needs the extra 'lab'

            return PhoneParty(self._telephony, callee.phone, callee.words)
        return ScriptedParty(callee, self.spec.timeout_scale)

    # ---- routines

    def set_routine(self, connection: LabConnection, routine: list[dict[str, Any]]) -> None:
        """Replace the routine of a connection. While it still rings, the new routine starts with the answer."""
        connection.routine_number += 1
        connection.current_command = {}
        connection.stop_routine()
        if connection.status == CONNECTING:
            connection.pending_routine = routine
            if routine and routine[0]["name"] == "HangUp":
                self.callbacks.spawn(self._end(connection, FAILED))
        elif connection.status == CONNECTED:
            work = self._perform(connection, routine, connection.routine_number)
            connection.routine_task = self.callbacks.spawn(work)

    async def _perform(self, connection: LabConnection, routine: list[dict[str, Any]], number: int) -> None:
        for command in routine:
            connection.commands.append(command)
            connection.current_command = command
            result = await self._execute(connection, command)
            connection.current_command = {}
            if connection.is_over or result is None:
                return
            if url := command.get("on_done"):
                body = {"account_id": self.account_id, "connection_id": connection.id, **result}
                reply = await self.callbacks.send("done", connection, url, body)
                if self._apply(reply, connection, number):
                    return

    async def _execute(self, connection: LabConnection, command: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the fields of the command's callback; None if the command ended the connection."""
        await asyncio.sleep(self.spec.takes)
        name = command["name"]
        if name == "HangUp":
            await self._end(connection, FINISHED)
            return None
        if name in CONVERSING:
            await self.conversations.perform(connection, command)
            return {}
        if name in LISTENING and not command.get("on_done"):
            await asyncio.sleep(command.get("timeout_seconds", DEFAULT_TIMEOUT) * self.spec.timeout_scale)
            return {}
        if name in LISTENING:
            return self._answer_fields(name, await connection.remote.listen(command))
        await connection.remote.play(command)
        return {}

    def _answer_fields(self, name: str, answer: Answer) -> Mapping[str, Any]:
        key = LISTENING[name]
        if answer.value is not None:
            return {key: answer.value}
        if self.spec.no_answer == "absent":
            return {}
        if self.spec.no_answer == "null":
            return {key: None}
        if self.spec.no_answer == "documented" and name == "GetNumber":
            return {key: None, "error": answer.error}
        return {key: ""}

    def _apply(self, reply: Mapping[str, Any], connection: LabConnection, number: int) -> bool:
        """Start the routine in a reply and return True; an invalid or outdated one has no effect."""
        routine = reply.get("routine")
        if not routine or routine_error(routine) or connection.routine_number != number or connection.is_over:
            return False
        self.set_routine(connection, routine)
        return True

    # ---- the end of a connection

    def _watch_for_hangup(self, connection: LabConnection) -> None:
        if connection.hangup_watch is None and not connection.is_over:
            connection.hangup_watch = self.callbacks.spawn(self._follow_hangup(connection))

    async def _follow_hangup(self, connection: LabConnection) -> None:
        await connection.remote.wait_for_hangup()
        if connection.is_over:
            return
        interrupted = connection.current_command
        await self._end(connection, FINISHED)
        if self.spec.done_on_hangup and (url := interrupted.get("on_done")):
            body = {"account_id": self.account_id, "connection_id": connection.id}
            await self.callbacks.send("done", connection, url, body)

    async def _end(self, connection: LabConnection, status: str) -> None:
        if connection.is_over:
            return
        connection.set_status(status)
        connection.stop_hangup_watch()
        if connection.routine_task is not asyncio.current_task():
            connection.stop_routine()
        await connection.remote.hang_up()
        await self._send_status(connection)

    async def _send_status(self, connection: LabConnection, fault: CallbackFault | None = None) -> None:
        if not connection.status_url:
            return
        number, status = connection.routine_number, connection.status
        fault = fault or self.callbacks.fault("status", connection, status)
        body = {"account_id": self.account_id, "connection": connection.as_json()}

        def apply(reply: Mapping[str, Any]) -> bool:
            return self._apply(reply, connection, number)

        reply = await self.callbacks.send(
            "status", connection, connection.status_url, body, fault, on_late_response=apply
        )
        is_answered = not (fault.lost or fault.late or fault.swap)
        if apply(reply) or not is_answered or not self.spec.needs_routine:
            return
        if status == CONNECTED and connection.routine_task is None:
            await self._end(connection, FINISHED)
