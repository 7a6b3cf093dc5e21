"""HTTP for clients that are slow on purpose: heads, and answers that nobody takes, have an end."""

import asyncio

import h11
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

from kdsharp.serve.guard import error_body

__all__ = ["protocol"]


def protocol(seconds: float) -> type[H11Protocol]:
    """The protocol of uvicorn, with `seconds` for a head to arrive and an answer to be taken."""

    class Impatient(H11Protocol):
        """uvicorn has a limit for the time between two requests, but none for these."""

        _head: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.flow = _Impatient(transport, self.loop)
            self._time_head()

        def data_received(self, data: bytes) -> None:
            if self.conn.their_state is h11.IDLE and self._head is None:
                self._time_head()
            super().data_received(data)
            self._check_head()

        def handle_events(self) -> None:
            super().handle_events()
            self._check_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end_head()
            self.flow.resume_writing()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:  # noqa: ARG002
            """As JSON, like every other error."""
            self._end_head()
            body = error_body("this is not a request in HTTP, or its head is too long")
            head = (
                "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
            self.transport.close()

        def _time_head(self) -> None:
            self._head = self.loop.call_later(seconds, self.transport.close)

        def _check_head(self) -> None:
            if self.conn.their_state is not h11.IDLE:
                self._end_head()

        def _end_head(self) -> None:
            if self._head is not None:
                self._head.cancel()
                self._head = None

    class _Impatient(FlowControl):
        def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
            super().__init__(transport)
            self._transport, self._loop = transport, loop
            self._full: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            if self._full is None:
                self._full = self._loop.call_later(seconds, self._transport.abort)
            super().pause_writing()

        def resume_writing(self) -> None:
            if self._full is not None:
                self._full.cancel()
                self._full = None
            super().resume_writing()

    return Impatient
