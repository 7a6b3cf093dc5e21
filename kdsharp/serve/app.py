"""The application: all routes, how errors look, and the page."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from kdsharp import __version__
from kdsharp.serve.guard import Guard, error_body
from kdsharp.serve.options import first_problem
from kdsharp.serve.refusal import Gone, Refused
from kdsharp.serve.routes.kserve import kserve_routes
from kdsharp.serve.routes.models import model_routes
from kdsharp.serve.routes.pictures import picture_routes
from kdsharp.serve.routes.status import status_routes
from kdsharp.serve.service import Service

__all__ = ["PAGE", "make_app"]

PAGE = Path(__file__).with_name("page")
"""The folder of the page: `index.html`, and below `assets` what it loads."""

_GONE = 499  # nobody sees it but the metrics; nginx counts those who left under the same number


def make_app(service: Service) -> ASGIApp:
    """The ASGI application of `service`, with all that guards it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(service.watch.run())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        service.close()

    # Without the pages that draw the OpenAPI document: they load scripts from another host.
    app = FastAPI(
        title="kdsharp",
        version=__version__,
        summary="Sharpen pictures.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    for routes in (picture_routes, model_routes, kserve_routes, status_routes):
        app.include_router(routes(service))
    _add_errors(app)
    for kind, ending in (("text/javascript", ".mjs"), ("application/wasm", ".wasm")):
        mimetypes.add_type(kind, ending)  # not every system knows them
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    guarded: ASGIApp = Guard(app, service.settings, service.metrics)
    if service.settings.origins:
        guarded = CORSMiddleware(
            guarded,
            allow_origins=service.settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Inference-Header-Content-Length"],
            expose_headers=["X-Kdsharp-Model", "X-Kdsharp-Version", "X-Kdsharp-Route", "ETag"],
        )
    if service.settings.trace:
        from kdsharp.serve.tracing import Traced, tracer

        guarded = Traced(guarded, tracer())
    return guarded


def _add_errors(app: FastAPI) -> None:
    """Every error is JSON with one line, whoever raised it."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        headers = {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        if error.status in (408, 413, 429, 503):
            headers["Connection"] = "close"  # what is left of the body is not read
        return _json(error.status, str(error), headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return _json(400, first_problem(error.errors()))

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        return _json(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Gone)
    async def left(_: Request, __: Gone) -> Response:
        return Response(status_code=_GONE)

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> Response:
        return _json(500, "internal error")


def _json(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(error_body(message), status, headers, "application/json")
