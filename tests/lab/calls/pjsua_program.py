"""A SIP phone or B2BUA made of PJSUA2, an independent SIP stack. The process takes its behaviour as JSON.

It writes one line of JSON when it listens and one at its end, which comes when its standard input is closed.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
from importlib import import_module
from typing import Any

pj: Any = import_module("pjsua2")
HOST = "127.0.0.1"
CLOCK_RATE = 8000
POLL_MS = 10


def report(**values: Any) -> None:
    """Write a line for the test; PJSUA2 writes to the standard output, too."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


class Leg(pj.Call):  # type: ignore[misc]
    """One call of this phone."""

    def __init__(self, phone: Phone, call_id: int = -1, *, is_outgoing: bool = False) -> None:
        super().__init__(phone.account, call_id)
        self.phone = phone
        self.is_outgoing = is_outgoing
        self.partner: Leg | None = None
        self.media: Any = None
        self.drops_digits = False
        self.answered_at: float | None = None
        phone.legs.append(self)

    def onCallState(self, _: Any) -> None:  # noqa: N802 - the names of PJSUA2
        state = self.getInfo().state
        if state == pj.PJSIP_INV_STATE_CONFIRMED and self.answered_at is None:
            self.answered_at = time.monotonic()
        if self.partner is None:
            return
        if state == pj.PJSIP_INV_STATE_CONFIRMED and self.is_outgoing:
            self.partner.respond(200)
        elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.partner.end()

    def onCallMediaState(self, _: Any) -> None:  # noqa: N802
        info = self.getInfo()  # its parts live as long as it does
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self.media = self.getAudioMedia(index)
        if self.media is not None:
            self.phone.connect(self)

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        self.phone.digits += prm.digit
        if self.partner is not None and not self.drops_digits:
            self.partner.dialDtmf(prm.digit)

    def respond(self, code: int) -> None:
        """Answer an incoming call."""
        prm = pj.CallOpParam()
        prm.statusCode = code
        self.answer(prm)

    def end(self) -> None:
        """Hang up, if the call is not over."""
        if self.isActive():
            self.hangup(pj.CallOpParam())

    def dial(self, uri: str) -> None:
        """Place this call."""
        self.makeCall(uri, pj.CallOpParam(True))


class Account(pj.Account):  # type: ignore[misc]
    """The only identity of the phone, which takes calls to any user."""

    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self.phone = phone

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        self.phone.ring(Leg(self.phone, prm.callId))


class Phone:
    """The process: its endpoint, its calls and what it does in them.

    Args:
        port: The SIP port.
        audio: A WAV file to send in a loop; without one, it has no source of audio.
        loss: Percentage of RTP packets not to send. PJSUA2 drops one percent more, but none for 0.
        vad: Whether to send nothing during silence.
        dtmf: Digits to send 0.3 s after the answer.
        hang_up_after: Seconds from the answer to its BYE.
        vanish_after: Seconds from the answer to the end of the process without any message.
        bridge: The number of calls to wait for before they are passed on to their numbers at the address of the
            caller, the last one first. 0: answer calls.
        mute_numbers: Numbers to which the bridge passes no digits.
        call: A SIP URI to call.
    """

    def __init__(self, behaviour: dict[str, Any]) -> None:
        self.behaviour = behaviour
        self.legs: list[Leg] = []
        self.waiting: list[tuple[Leg, str]] = []
        self.digits = ""
        self.sent = self.received = 0
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt, config.uaConfig.mainThreadOnly = 0, True
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.medConfig.clockRate = config.medConfig.sndClockRate = CLOCK_RATE
        config.medConfig.noVad = not behaviour.get("vad", False)
        config.medConfig.ecTailLen = 0
        config.medConfig.txDropPct = behaviour.get("loss", 0)
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port, transport.boundAddress, transport.publicAddress = behaviour["port"], HOST, HOST
        self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU") else 0)
        account = pj.AccountConfig()
        account.idUri = f"sip:peer@{HOST}:{behaviour['port']}"
        account.mediaConfig.transportConfig.boundAddress = HOST
        self.account = Account(self)
        self.account.create(account)
        self.player = pj.AudioMediaPlayer()
        if behaviour.get("audio"):
            self.player.createPlayer(behaviour["audio"])

    def ring(self, leg: Leg) -> None:
        """Answer a call, or pass it on."""
        if not self.behaviour.get("bridge"):
            leg.respond(200)
            return
        leg.respond(180)
        info = leg.getInfo()
        user, address = re.findall(r"sip:([^@>]+)@", info.localUri), re.findall(r"@([^;>]+)", info.remoteContact)
        leg.drops_digits = user[0] in self.behaviour.get("mute_numbers", ())
        self.waiting.append((leg, f"sip:{user[0]}@{address[0]}"))
        if len(self.waiting) == self.behaviour["bridge"]:
            while self.waiting:
                self.pass_on(*self.waiting.pop())

    def pass_on(self, leg: Leg, uri: str) -> None:
        """Call the number that was dialled."""
        other = Leg(self, is_outgoing=True)
        leg.partner, other.partner = other, leg
        other.dial(uri)

    def connect(self, leg: Leg) -> None:
        """Connect the audio of a leg."""
        if leg.partner is None:
            if self.behaviour.get("audio"):
                self.player.startTransmit(leg.media)
        elif leg.partner.media is not None:
            leg.media.startTransmit(leg.partner.media)
            leg.partner.media.startTransmit(leg.media)

    def run(self) -> None:
        """Take calls until the standard input is closed."""
        if self.behaviour.get("call"):
            Leg(self, is_outgoing=True).dial(self.behaviour["call"])
        plans = {"dtmf": 0.3, **{key: self.behaviour.get(key) for key in ("hang_up_after", "vanish_after")}}
        if not self.behaviour.get("dtmf"):
            del plans["dtmf"]
        report(listening=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            self.endpoint.libHandleEvents(POLL_MS)
            for leg in self.legs:
                if leg.answered_at is None or not leg.isActive():
                    continue
                if leg.media is not None:
                    statistics = leg.getStreamStat(0)
                    self.sent, self.received = statistics.rtcp.txStat.pkt, statistics.rtcp.rxStat.pkt
                age = time.monotonic() - leg.answered_at
                for what in [what for what, after in plans.items() if after is not None and age >= after]:
                    del plans[what]
                    self.act(what, leg)
        report(sent=self.sent, received=self.received, digits=self.digits)
        os._exit(0)  # the destructors of PJSUA2 depend on the order in which Python calls them

    def act(self, what: str, leg: Leg) -> None:
        """Do a planned action."""
        if what == "vanish_after":
            os._exit(0)
        elif what == "hang_up_after":
            leg.end()
        else:
            leg.dialDtmf(self.behaviour["dtmf"])


if __name__ == "__main__":
    Phone(json.loads(sys.argv[1])).run()
