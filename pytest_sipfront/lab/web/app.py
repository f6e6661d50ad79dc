"""The lab's web application: the platform's endpoints, Sift's, the control plane and the pages for people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from pytest_sipfront.lab.lab import Lab
from pytest_sipfront.lab.platform.routes import platform_routes
from pytest_sipfront.lab.sift.routes import sift_routes
from pytest_sipfront.lab.web.control import control_routes
from pytest_sipfront.lab.web.pages import page_routes


def build_app(lab: Lab) -> Starlette:
    """Return the application for one lab; its end ends every open run."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await lab.close()

    routes = [*platform_routes(lab), *sift_routes(lambda: lab.sift), *control_routes(lab), *page_routes(lab)]
    return Starlette(routes=routes, lifespan=lifespan)
