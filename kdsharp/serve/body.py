"""Read what a client sends: not more than it may, not longer than it may, and in memory alone."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from kdsharp.serve.refusal import Gone, Refused

__all__ = ["Form", "Upload", "announced", "gone", "is_form", "read_body", "read_form"]

_FIELDS = 32  # of a form that are not files
_FIELD_BYTES = 1000
_PIECE = 1 << 20


@dataclass(frozen=True)
class Upload:
    """A file of a form: its name there, and what it holds."""

    name: str
    body: bytes


@dataclass(frozen=True)
class Form:
    """A form's files, in their order, and its other fields."""

    files: list[Upload]
    fields: dict[str, str]


def announced(request: Request, limit: int) -> int:
    """How many bytes the body will have; `limit` if the client does not say.

    Raises `Refused` 413 for more than `limit`, and 400 for what is not a number.
    """
    value = request.headers.get("content-length")
    if value is None:
        return limit
    if not (value.isascii() and value.isdigit()):
        raise Refused(400, "Content-Length is not a number")
    if len(value) > 18 or int(value) > limit:
        raise Refused(413, f"the body has more than {limit} bytes", reason="size")
    return int(value)


async def read_body(request: Request, limit: int, seconds: float) -> bytes:
    """The whole body; `Refused` 413 beyond `limit` bytes, 408 after `seconds`; `Gone`."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > limit:
                    raise Refused(413, f"the body has more than {limit} bytes", reason="size")
    except TimeoutError as error:
        raise Refused(
            408, f"the body did not arrive within {seconds:g} s", reason="slow"
        ) from error
    return bytes(body)


async def gone(request: Request) -> None:
    """Return when the client closes the connection; to be called after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def is_form(request: Request) -> bool:
    """Whether the body is multipart/form-data; any other body is the picture itself."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def read_form(headers: Headers, body: bytes, files: int) -> Form:
    """The form in `body` with at most so many `files`; `Refused` 400 for what is not one."""
    parser = _InMemory(
        headers, _pieces(body), max_files=files, max_fields=_FIELDS, max_part_size=_FIELD_BYTES
    )
    try:
        items = (await parser.parse()).multi_items()
    except MultiPartException as error:
        raise Refused(400, f"the form cannot be read: {error.message}") from error
    except (ValueError, KeyError, AssertionError) as error:
        raise Refused(400, "the form cannot be read") from error
    form = Form([], {})
    for name, value in items:
        if isinstance(value, UploadFile):
            form.files.append(Upload(value.filename or name, value.file.read()))
            value.file.close()
        else:
            form.fields[name] = value
    return form


class _InMemory(MultiPartParser):
    spool_max_size = sys.maxsize  # the size from which on a file would go to the disk


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]
        await asyncio.sleep(0)  # others get their turn
