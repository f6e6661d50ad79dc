"""What a lab file says about calls, as frozen values: prompts, phones, where calls go, and their limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_sipfront.lab.hosts import is_loopback

HANG_UP = "hang_up"
REJECTIONS = (404, 486, 488)
"""The final codes with which the SIP stack can refuse a call on request; it offers no way to send another."""
USER_VARIABLE = "SIPFRONT_LAB_SIP_USER"
PASSWORD_VARIABLE = "SIPFRONT_LAB_SIP_PASSWORD"  # noqa: S105 - a variable's name, not its value
_TONE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSpec:
    """One prompt of the catalogue: a WAV file, text for the lab's talking machine, or a tone in hertz."""

    wav: str | None = None
    say: str | None = None
    tone: float | None = None
    seconds: float = _TONE_SECONDS

    def __post_init__(self) -> None:
        if sum(source is not None for source in (self.wav, self.say, self.tone)) != 1:
            raise ValueError("a prompt is exactly one of wav, say and tone")


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuState:
    """One state of a phone's menu: the prompt it plays and where each digit leads (`HANG_UP` ends the call)."""

    play: str | None = None
    digits: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone that can be called, what it does with a call, and its faults. Times are in seconds.

    `number` is what is dialled to reach it; where the file gives none, the phone's name. `menu` starts at its first
    state.
    `wrong_prompt` maps a prompt to the one it plays instead, `lose_digit` is the number (from 1) of the digit that
    it does not notice. A phone with `one_way: receives` sends no RTP; one with `one_way: sends` is deaf: it drops
    every packet and digit that arrives, unread and uncounted.
    """

    number: str = ""
    answer_after: float = 0.0
    play: str | None = None
    repeat: bool = False
    menu: Mapping[str, MenuState] = field(default_factory=dict)
    send_dtmf: str = ""
    record: bool = True
    hang_up_after: float | None = None
    silent: bool = False
    one_way: str | None = None
    reject: int | None = None
    never_answers: bool = False
    wrong_prompt: Mapping[str, str] = field(default_factory=dict)
    lose_digit: int | None = None

    def __post_init__(self) -> None:
        if self.play is not None and self.menu:
            raise ValueError("a phone plays a prompt or has a menu, not both")
        for name, state in self.menu.items():
            for digit, follower in state.digits.items():
                if follower != HANG_UP and follower not in self.menu:
                    raise ValueError(f"digit {digit} of menu state '{name}' leads to '{follower}', which is no state")

    @property
    def prompts(self) -> tuple[str, ...]:
        """Every prompt's name that the phone may play."""
        spoken = (self.play, *(state.play for state in self.menu.values()), *self.wrong_prompt.values())
        return tuple(name for name in spoken if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where calls go instead of the lab's own phones: a PBX as host, port and transport ("udp" or "tcp").

    Credentials are never part of it: user and password for registration are read from the environment variables
    that `user_variable` and `password_variable` name. `allow_remote` lets it be another machine than this one.
    """

    host: str
    port: int = 5060
    transport: str = "udp"
    allow_remote: bool = False
    user_variable: str = USER_VARIABLE
    password_variable: str = PASSWORD_VARIABLE

    def __post_init__(self) -> None:
        if not self.allow_remote and not is_loopback(self.host):
            raise ValueError(
                f"the target {self.host} is not on this machine; the lab calls another address only where the file "
                "says 'allow_remote: true'"
            )

    @property
    def address(self) -> str:
        """Host and port as a SIP URI has them."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How much the lab may do: calls that are up at the same time, calls of one run, seconds that a call may last."""

    concurrent_calls: int = 20
    calls_per_run: int = 1000
    call_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """Everything that a lab file says about calls. `directory` is where the paths of WAV files start."""

    directory: Path
    prompts: Mapping[str, PromptSpec] = field(default_factory=dict)
    phones: Mapping[str, Phone] = field(default_factory=dict)
    target: Target | None = None
    limits: CallLimits = field(default_factory=CallLimits)

    def may_reach(self, address: str) -> bool:
        """Whether the lab may send to `address`, a host or host:port: this machine, or the target that is allowed."""
        host = address.partition(":")[0]
        return not host or is_loopback(host) or (self.target is not None and host == self.target.host)
