"""`POST /v1/sharpen`: a picture in, a picture out; and several at once in a form."""

import asyncio
import io
import json
import zipfile
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import Headers

from kdsharp.serve.body import Form, Upload, is_form, read_form
from kdsharp.serve.options import Options
from kdsharp.serve.refusal import Refused
from kdsharp.serve.service import Service
from kdsharp.serve.work import Answer

__all__ = ["picture_routes"]

_BATCH = 200  # pictures in a form
_BOUNDARY = "kdsharp-picture-boundary"
_PICTURE = {"type": "string", "format": "binary"}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": what,
        "content": {"application/json": {"example": {"error": example}}},
    }
    for status, what, example in (
        (400, "An option is not valid.", "strength: Input should be less than or equal to 1"),
        (413, "Too many bytes or pixels.", "the body has more than 64000000 bytes"),
        (415, "Not a picture.", "the photo: is empty"),
        (422, "The picture cannot be processed.", "the photo: it is damaged"),
        (429, "Too much at once; Retry-After says when.", "the queue is full: try again in 2 s"),
    )
}
_HEADERS = {
    "X-Kdsharp-Model": {"schema": {"type": "string"}, "example": "small-x2"},
    "X-Kdsharp-Version": {"schema": {"type": "string"}, "example": "0a1b2c3d4e5f"},
    "X-Kdsharp-Route": {
        "schema": {"enum": ["fixed", "routed", "unchanged", "upscaled"]},
        "example": "routed",
    },
}
_ONE = {
    200: {
        "description": "The sharpened picture.",
        "headers": _HEADERS,
        "content": {"image/*": {"schema": _PICTURE}},
    },
    **_ERRORS,
}
_MANY = {
    200: {
        "description": "The pictures, and report.json: a line for each, with its error if it has.",
        "content": {"application/zip": {"schema": _PICTURE}, "multipart/mixed": {}},
    },
    **_ERRORS,
}


def _accepts(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    form = {"type": "object", "properties": {name: schema}, "required": [name]}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if schema is _PICTURE:
        content["application/octet-stream"] = {"schema": _PICTURE}
    return {"requestBody": {"required": True, "content": content}}


def picture_routes(service: Service) -> APIRouter:
    """The routes for pictures."""
    router = APIRouter(prefix="/v1", tags=["pictures"])
    chosen = Annotated[Options, Query()]

    @router.post(
        "/sharpen",
        response_class=Response,
        responses=_ONE,
        openapi_extra=_accepts("picture", _PICTURE),
    )
    async def sharpen(request: Request, options: chosen) -> Response:
        """Sharpen a picture: the body is its file, or a form with one file and the options.

        The answer has the bytes that `kdsharp sharpen` writes.
        """
        async with service.body(request) as body:
            if is_form(request):
                form = await read_form(request.headers, body, 1)
                if not form.files:
                    raise Refused(400, "the form has no file")
                options, body = options.with_fields(form.fields), form.files[0].body
            answer = await service.run(request, lambda t: service.sharpen(body, options, t))
            return Response(answer.body, media_type=answer.media_type, headers=answer.headers)

    @router.post(
        "/sharpen/batch",
        response_class=Response,
        responses=_MANY,
        openapi_extra=_accepts("picture", {"type": "array", "items": _PICTURE}),
    )
    async def sharpen_batch(request: Request, options: chosen) -> Response:
        """Sharpen the files of a form: a ZIP, or with Accept: multipart/mixed a part for each."""
        async with service.body(request) as body:
            if not is_form(request):
                raise Refused(400, "send the pictures as multipart/form-data")
            form = await read_form(request.headers, body, _BATCH)
            if not form.files:
                raise Refused(400, "the form has no file")
            done = await _each(service, request, form, options.with_fields(form.fields))
            return _together(form.files, done, request.headers)

    return router


async def _each(
    service: Service, request: Request, form: Form, options: Options
) -> list[Answer | Refused]:
    """One after the other, as many as there are workers at a time: others come in between."""
    turn = asyncio.Semaphore(service.settings.running)
    left = asyncio.Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        left.set()

    async def one(upload: Upload) -> Answer | Refused:
        async with turn:
            try:
                return await service.pool.run(
                    lambda ticket: service.sharpen(upload.body, options, ticket),
                    left.wait,
                    service.settings.seconds,
                )
            except Refused as error:
                return error

    watching = asyncio.ensure_future(watch())
    jobs = [asyncio.ensure_future(one(upload)) for upload in form.files]
    try:
        return list(await asyncio.gather(*jobs))
    finally:
        watching.cancel()
        for job in jobs:
            job.cancel()


def _together(uploads: list[Upload], done: list[Answer | Refused], headers: Headers) -> Response:
    named = list(zip(_names(uploads, done), done, strict=True))
    if "multipart/mixed" in headers.get("accept", ""):
        body = b"".join(_part(name, one) for name, one in named) + f"--{_BOUNDARY}--\r\n".encode()
        return Response(body, media_type=f'multipart/mixed; boundary="{_BOUNDARY}"')
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # stored: pictures are compressed already
        for name, one in named:
            if isinstance(one, Answer):
                archive.writestr(name, one.body)
        report = [_told(name, one) for name, one in named]
        archive.writestr("report.json", json.dumps(report, indent=2) + "\n")
    return Response(packed.getvalue(), media_type="application/zip")


def _told(name: str, one: Answer | Refused) -> dict[str, Any]:
    if isinstance(one, Refused):
        return {"name": name, "status": one.status, "error": str(one)}
    return {
        "name": name,
        "status": 200,
        "size": list(one.size),
        "model": one.model,
        "version": one.version,
        "route": one.route,
    }


def _part(name: str, one: Answer | Refused) -> bytes:
    if isinstance(one, Answer):
        about, body = {"Content-Type": one.media_type, **one.headers}, one.body
    else:
        about = {"Content-Type": "application/json", "X-Kdsharp-Status": str(one.status)}
        body = json.dumps({"error": str(one)}).encode()
    about["Content-Disposition"] = f'attachment; filename="{name}"'
    about["Content-Length"] = str(len(body))
    head = "".join(f"{key}: {value}\r\n" for key, value in about.items())
    return f"--{_BOUNDARY}\r\n{head}\r\n".encode() + body + b"\r\n"


def _names(uploads: list[Upload], done: list[Answer | Refused]) -> list[str]:
    """Plain names for an archive, no two alike: no folder, no sign that means something."""
    names, taken = list[str](), {"report.json"}
    for number, (upload, one) in enumerate(zip(uploads, done, strict=True)):
        plain = PurePosixPath(upload.name.replace("\\", "/")).name
        stem, dot, ending = plain.rpartition(".")
        stem, ending = (stem, ending) if dot and stem else (plain, "")
        if isinstance(one, Answer) and one.suffix not in (
            ending.lower(),
            _ALIKE.get(ending.lower()),
        ):
            ending = one.suffix
        kept = "".join(sign if sign.isalnum() or sign in " -_.()" else "_" for sign in stem)
        name = f"{kept.strip(' .')[:100] or 'picture'}"
        if ending.isascii() and ending.isalnum() and len(ending) < 6:
            name += f".{ending}"
        while name.lower() in taken:
            name = f"{number}-{name}"
        taken.add(name.lower())
        names.append(name)
    return names


_ALIKE = {"jpeg": "jpg", "jfif": "jpg", "tiff": "tif", "heif": "heic"}
