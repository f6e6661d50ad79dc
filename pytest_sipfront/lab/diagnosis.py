"""The result of the self-check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Check(NamedTuple):
    """One check: its name, whether it succeeded, and the evidence."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether this machine can place calls. As text it has one line per check."""

    checks: tuple[Check, ...]

    @property
    def sound(self) -> bool:
        """Whether every check succeeded."""
        return all(check.ok for check in self.checks)

    def __str__(self) -> str:
        width = max((len(check.name) for check in self.checks), default=0)
        return "\n".join(f"{'ok' if ok else 'FAIL':<4}  {name:<{width}}  {detail}" for name, ok, detail in self.checks)
