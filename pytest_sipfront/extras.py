"""Find out whether the packages of an optional extra are installed."""

from __future__ import annotations

from importlib.util import find_spec

MODULES = {
    "cli": ("click",),
    "lab": ("starlette", "uvicorn", "python_multipart", "pydantic", "jinja2"),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "suites": ("pydantic",),
    "report": ("jinja2",),
    "sift": ("starlette", "uvicorn", "python_multipart", "jiwer"),
}


def missing_extra(extra: str, feature: str) -> str:
    """Return one sentence that says which extra `feature` needs, or "" if its packages are installed."""
    missing = [module for module in MODULES[extra] if not _is_installed(module)]
    if not missing:
        return ""
    return f'{feature} requires pip install "pytest-sipfront[{extra}]" (not installed: {", ".join(missing)})'


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False
