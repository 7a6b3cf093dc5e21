"""Spans for OpenTelemetry, where they are asked for: one for each request."""

import importlib.metadata
import os
from typing import TYPE_CHECKING, Any

from kdsharp.errors import UserError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["EXPORTER", "Traced", "tracer"]

EXPORTER = "OTEL_TRACES_EXPORTER"
"""The variable that names the exporter, as the standard says: otlp, console ..."""

_INSTALL = 'tracing needs an extra: pip install "kdsharp[otel]" opentelemetry-exporter-otlp'


def tracer() -> Any:
    """A tracer that sends what it gets where the variables of OpenTelemetry say.

    Raises `UserError` where the packages or the exporter are missing.
    """
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UserError(_INSTALL) from error
    name = os.environ.get(EXPORTER) or "otlp"
    found = [*importlib.metadata.entry_points(group="opentelemetry_traces_exporter", name=name)]
    if not found:
        raise UserError(f"{EXPORTER}={name}: no such exporter is installed: {_INSTALL}")
    provider = TracerProvider(resource=Resource.create({"service.name": "kdsharp"}))
    provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
    return provider.get_tracer("kdsharp.serve")


class Traced:
    """ASGI around the application: a span with route, status, model and version."""

    def __init__(self, app: "ASGIApp", tracer: Any) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Hand one request in, within a span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry import trace

        with self._tracer.start_as_current_span(
            scope["method"], kind=trace.SpanKind.SERVER
        ) as span:

            async def watched(message: "Message") -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    for name, value in message.get("headers", ()):
                        if (key := name.decode().lower()).startswith("x-kdsharp-"):
                            span.set_attribute(
                                key.removeprefix("x-").replace("-", "."), value.decode()
                            )
                await send(message)

            await self._app(scope, receive, watched)
            if path := getattr(scope.get("route"), "path", None):
                span.update_name(f"{scope['method']} {path}")
                span.set_attribute("http.route", path)
