"""A value that nothing shows."""

from __future__ import annotations

from typing import NoReturn

_SHOWN = "[secret]"


class Secret:
    """Holds a credential. No repr, str, format, comparison message, pickle or `vars` gives it away.

    Not a `str`: pytest, logging and JSON print strings. `reveal` is called where the request header is built.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self.__value

    def scrub(self, text: str) -> str:
        """Return `text` with every occurrence of the value replaced: a server may echo what it was sent."""
        return text.replace(self.__value, _SHOWN) if self.__value else text

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.__value

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __repr__(self) -> str:
        return _SHOWN

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, spec: str) -> str:
        return format(_SHOWN, spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
