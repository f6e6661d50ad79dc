"""Render HTML pages from templates.

Each page contains its stylesheet, so that a saved page is complete. The templates escape every value.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

SHARED_TEMPLATES = Path(__file__).parent / "templates"
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def render(templates: Path, template: str, **values: Any) -> str:
    """Return the page that a template yields with these values.

    Args:
        templates: The directory of the template. It may use the templates in `SHARED_TEMPLATES`, too.
        template: Its file name.
        values: The variables of the template.
    """
    return environment(templates).get_template(template).render(values)


@cache
def environment(templates: Path) -> jinja2.Environment:
    """Return the environment for the templates in a directory."""
    import jinja2  # noqa: PLC0415 - the lab starts without it

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, SHARED_TEMPLATES]),
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
