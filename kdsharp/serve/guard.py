"""What every request passes: the token, its origin, the headers of the answer, and the counters."""

import asyncio
import base64
import binascii
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from secrets import compare_digest
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kdsharp.errors import describe
from kdsharp.serve.metrics import Metrics
from kdsharp.serve.refusal import Refused
from kdsharp.serve.settings import Settings, is_loopback

__all__ = ["CSP", "MOST_HEAD", "SECURITY", "Guard", "error_body"]

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self' blob: data:",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What the page may load and do: everything from here, and nothing from another host."""

SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # With both of these a page has threads: SharedArrayBuffer.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), display-capture=(self), microphone=(self)",
}
"""Headers of every answer."""

MOST_HEAD = 16 * 1024
"""Bytes of a request's head."""

_OPEN = ("/v2/health/live", "/v2/health/ready")  # an orchestrator asks these without a token
_DROPPED, _DROP_SECONDS = 8_000_000, 2.0  # bytes of a refused body that are read, and for how long
_UNKNOWN = "other"  # the route of what no route fits: a label of each path would be a leak


class Guard:
    """ASGI around the whole application. Nothing that goes wrong inside leaves as a traceback."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it in."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        body = _Body(scope, receive)

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 400 and status != 408:
                    await body.drop()
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refused = self._refused(scope)
            if refused is not None:
                await _answer(refused, guarded)
            else:
                await self._app(scope, body.receive, guarded)
        except Exception as error:  # noqa: BLE001 - the last line of defence
            print(f"kdsharp serve: {describe(error)}", file=sys.stderr, flush=True)
            if not status:
                await _answer(Refused(500, "internal error"), guarded)
        finally:
            route = getattr(scope.get("route"), "path", None) or _UNKNOWN
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)

    def _refused(self, scope: Scope) -> Refused | None:
        headers = Headers(scope=scope)
        if len(scope["query_string"]) + sum(len(k) + len(v) for k, v in headers.raw) > MOST_HEAD:
            return Refused(431, f"the head has more than {MOST_HEAD} bytes", reason="head")
        host, origin = headers.get("host", ""), headers.get("origin")
        # A page of another site: it could not read the answer, but it could keep the machine busy.
        if origin and origin not in self._settings.origins and _netloc(origin) != host:
            return Refused(403, "this origin is not allowed: see --origin", reason="origin")
        if self._settings.token is None:
            # A name of another site may be made to mean this machine; its pages still send it.
            if not is_loopback(_name(host)):
                return Refused(403, "this host name is not allowed without a token", reason="host")
            return None
        if scope["path"] in _OPEN or _has_token(headers, self._settings.token):
            return None
        return Refused(401, "a token is needed: Authorization: Bearer TOKEN", reason="token")


def error_body(message: str) -> bytes:
    """The body of every error: JSON with one line."""
    return json.dumps({"error": " ".join(message.split())}).encode()


class _Body:
    """What a client sends. Where a request is refused before all of it was read, it is read on.

    A connection that is closed while the client still sends loses the answer that says why.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._whole = not (
            "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        )

    async def receive(self) -> Message:
        message = await self._receive()
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drop(self) -> None:
        """Read the rest and forget it, as far as that is short and quick."""
        left = _DROPPED
        with suppress(TimeoutError):
            async with asyncio.timeout(_DROP_SECONDS):
                while left > 0 and not self._whole:
                    left -= len((await self.receive()).get("body", b""))


def _netloc(origin: str) -> str | None:
    """Host and port of an Origin header."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _name(host: str) -> str:
    """Of a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _has_token(headers: Headers, token: str) -> bool:
    """As a bearer, or as the password that a browser asks for; compared in constant time."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return False
    elif kind.lower() != "bearer":
        return False
    return compare_digest(given.strip().encode(), token.encode())


async def _answer(refused: Refused, send: Callable[[Message], Awaitable[None]]) -> None:
    body = error_body(str(refused))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if refused.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="kdsharp"'))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
