"""From a picture's bytes to those of its sharpened version, as `kdsharp sharpen` does it."""

import io
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from kdsharp.errors import UserError
from kdsharp.imageio.photo import READ_ONLY
from kdsharp.imageio.read import Header, read_header
from kdsharp.runtime.crisp import CRISP
from kdsharp.serve.models import Models
from kdsharp.serve.options import Options
from kdsharp.serve.pool import Ticket
from kdsharp.serve.refusal import Refused
from kdsharp.serve.snapshot import short
from kdsharp.sharpening.file import sharpen_file
from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["Answer", "Tensors", "sharpen_bytes", "sharpen_tensors", "told"]

_TYPES = (
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"\x89PNG", "image/png", "png"),
    (b"GIF8", "image/gif", "gif"),
    (b"II*\0", "image/tiff", "tif"),
    (b"MM\0*", "image/tiff", "tif"),
    (b"RIFF", "image/webp", "webp"),
    (b"BM", "image/bmp", "bmp"),
    (b"P5", "image/x-portable-graymap", "pgm"),
    (b"P6", "image/x-portable-pixmap", "ppm"),
)


@dataclass(frozen=True)
class Answer:
    """A sharpened file: what it holds, and the model, version and route that it got.

    `size` is (width, height); `model` is `none` for a picture that was left as it is. `route` is
    `fixed`, one model; `routed`, by the picture; `crisp`, crispened and no more; `unchanged`; or
    `upscaled`.
    """

    body: bytes
    media_type: str
    suffix: str
    size: tuple[int, int]
    model: str
    version: str
    route: str

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says about itself."""
        return told(self.model, self.version, self.route)


def told(model: str, version: str, route: str) -> dict[str, str]:
    """The headers that name a model; what is not ASCII in a folder's name is percent-encoded."""
    return {
        "X-Kdsharp-Model": quote(model, safe=" !#$&'()*+,-./:;=?@[]^_`{|}~"),
        "X-Kdsharp-Version": version,
        "X-Kdsharp-Route": route,
    }


def sharpen_bytes(
    models: Models, body: bytes, options: Options, most: float, ticket: Ticket
) -> Answer:
    """The picture in `body`, sharpened; nothing touches the disk.

    Raises `Refused`: 400 for options, 413 for more than `most` megapixels, before or after
    enlarging, 415 for what is no picture, and 422 for one that cannot be processed.
    """
    try:
        sharpener, suffix = _chosen(models, options), options.suffix
    except UserError as error:
        raise Refused(400, str(error)) from error
    header = _header(body)
    pixels = header.width * header.height * (options.upscale or 1) ** 2
    if pixels > most * 1e6:
        raise Refused(
            413, f"{header.width}x{header.height} would be more than {most:g} megapixels here"
        )
    if suffix is None:
        suffix = READ_ONLY.get(f".{header.file_format.lower()}")
    out = io.BytesIO()
    try:
        done = sharpen_file(
            sharpener,
            io.BytesIO(body),
            out,
            upscale=options.upscale,
            quality=options.quality,
            suffix=suffix,
            writing=ticket,  # encoding for nobody is left out
        )
    except UserError as error:
        raise Refused(422, str(error)) from error
    made = out.getvalue()
    media_type, ending = _type(made)
    route = _route(done.model, sharpener, options)
    card = sharpener.router.cards[done.model] if done.model else sharpener.card
    model = done.model or "none"
    if done.model is None and (crispening := sharpener.crispening):
        model, card, route = CRISP, crispening.card, CRISP
    return Answer(made, media_type, ending, done.size, model, short(card), route)


Tensors = npt.NDArray[np.uint8]
"""Pictures (N, H, W, 3), RGB."""


def sharpen_tensors(
    sharpener: Sharpener, pictures_NHWC: Tensors, ticket: Ticket
) -> tuple[Tensors, str]:
    """Each picture sharpened, and the version that did it."""
    out_NHWC = np.empty_like(pictures_NHWC)
    for picture, out in zip(pictures_NHWC, out_NHWC, strict=True):
        ticket.check()
        sharpener.array(np.ascontiguousarray(picture), out=out)
    return out_NHWC, short(sharpener.card)


def _chosen(models: Models, options: Options) -> Sharpener:
    return models.find(options.model, options.undone, options.strength, options.crisp)


def _header(body: bytes) -> Header:
    try:
        return read_header(io.BytesIO(body))
    except UserError as error:
        large = "megapixels" in str(error)
        raise Refused(413 if large else 415, str(error)) from error


def _route(model: str | None, sharpener: Sharpener, options: Options) -> str:
    if options.upscale is not None:
        return "upscaled"
    if model is None:
        return "unchanged"
    return "routed" if len(sharpener.models) > 1 else "fixed"


def _type(made: bytes) -> tuple[str, str]:
    """Media type and suffix, by the first bytes: a picture that is left as it is may be any."""
    if made[4:8] == b"ftyp":
        return (
            ("image/avif", "avif") if made[8:12] in (b"avif", b"avis") else ("image/heic", "heic")
        )
    found: Any = next((known for known in _TYPES if made.startswith(known[0])), None)
    return (found[1], found[2]) if found else ("application/octet-stream", "bin")
