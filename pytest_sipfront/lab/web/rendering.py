"""Render the HTML pages from the templates of this package.

Each page contains its stylesheet, so that a saved page is complete. The templates escape every value.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def render(template: str, **values: Any) -> str:
    """Return the page that a template yields with these values."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415 - the lab starts without it

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=show_invisible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def show_invisible(value: Any) -> Any:
    r"""Return a text with its control characters, direction marks and lone surrogates as escapes such as `\x1b`.

    Line breaks and tabs stay. Values of other types, and HTML that a template has already escaped, are returned
    unchanged.
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _INVISIBLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), value)
