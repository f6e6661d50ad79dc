"""A credential that cannot be printed by accident."""

from __future__ import annotations

from typing import NoReturn

_PLACEHOLDER = "[secret]"


class Secret:
    """Holds a credential and hides it from repr, str, format, comparison messages, pickle and `vars`.

    It is not a `str`, because pytest, logging and JSON print strings. Call `reveal` only to build a request header.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the credential as text."""
        return self.__value

    def scrub(self, text: str) -> str:
        """Return `text` with every occurrence of the credential replaced, since a server may echo it."""
        return text.replace(self.__value, _PLACEHOLDER) if self.__value else text

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.__value

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __repr__(self) -> str:
        return _PLACEHOLDER

    def __str__(self) -> str:
        return _PLACEHOLDER

    def __format__(self, spec: str) -> str:
        return format(_PLACEHOLDER, spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
