"""What the self-check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Check(NamedTuple):
    """One thing that was looked at: its name, whether it is as it must be, and what was seen."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether this machine can place calls, check by check. As text: one line a check."""

    checks: tuple[Check, ...]

    @property
    def sound(self) -> bool:
        """Whether everything is as it must be."""
        return all(check.ok for check in self.checks)

    def __str__(self) -> str:
        width = max((len(check.name) for check in self.checks), default=0)
        return "\n".join(f"{'ok' if ok else 'FAIL':<4}  {name:<{width}}  {detail}" for name, ok, detail in self.checks)
