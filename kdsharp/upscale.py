"""Enlarge a photo as the models expect it: their blur is that of Pillow's bicubic."""

import dataclasses
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from kdsharp.errors import UserError
from kdsharp.images import LIMIT, most_megapixels
from kdsharp.photos.photo import Photo

__all__ = ["TIMES", "enlarged"]

TIMES = (2, 3, 4)
"""How many times a photo can be enlarged: what models are made for."""

_RESOLUTION = (int(ExifTags.Base.XResolution), int(ExifTags.Base.YResolution))
_WIDTH = (int(ExifTags.Base.ImageWidth), int(ExifTags.Base.ExifImageWidth))
_HEIGHT = (int(ExifTags.Base.ImageLength), int(ExifTags.Base.ExifImageHeight))
_FOLDER = int(ExifTags.IFD.Exif)
_SHORT, _LONG, _RATIONAL = 3, 4, 5  # EXIF's types
_MARK = b"Exif\0\0"
_MOST = 65535  # dots per inch that a JPEG can say


def enlarged(photo: Photo, times: int) -> Photo:
    """`photo` with `times` as many pixels across and down, by Pillow's bicubic.

    Printed it is as large as before: dots per inch grow alike, in EXIF too, where the sizes in
    pixels become the new ones. Raises `UserError` for more pixels than a picture may have.
    """
    height, width = (side * times for side in photo.pixels.shape[:2])
    if width * height > most_megapixels() * 1e6:
        raise UserError(
            f"{width}x{height} would be more than {most_megapixels():g} megapixels: set "
            f"{LIMIT}={-(-width * height // 1_000_000)} if there is memory for it"
        )
    pixels = _resized(photo.pixels, (width, height))
    alpha = None if photo.alpha is None else _resized(photo.alpha, (width, height))
    about = dict(photo.about)
    if "dpi" in about:
        about["dpi"] = tuple(min(value * times, _MOST) for value in about["dpi"])
    if "exif" in about:
        about["exif"] = _exif(about["exif"], (width, height), times)
    return dataclasses.replace(photo, pixels=pixels, alpha=alpha, about=about)


def _resized(levels: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    """(H, W) or (H, W, C), one channel at a time: Pillow would take four for RGB with alpha."""
    if levels.ndim == 2:
        return np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC))
    out = np.empty((size[1], size[0], levels.shape[2]), levels.dtype)
    for channel in range(levels.shape[2]):
        out[..., channel] = _resized(np.ascontiguousarray(levels[..., channel]), size)
    return out


def _exif(exif: bytes, size: tuple[int, int], times: int) -> bytes:
    """`exif` with the new sizes and resolution, changed in place: so nothing else is lost."""
    start = len(_MARK) if exif.startswith(_MARK) else 0
    changed = bytearray(exif[start:])
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(changed[:2])]
        (first,) = struct.unpack_from(order + "I", changed, 4)
        for at in [first, *_folders(changed, order, first)]:
            for entry, tag, kind in _entries(changed, order, at):
                if tag in _RESOLUTION and kind == _RATIONAL:
                    (where,) = struct.unpack_from(order + "I", changed, entry + 8)
                    (dots,) = struct.unpack_from(order + "I", changed, where)
                    struct.pack_into(order + "I", changed, where, min(dots * times, 2**32 - 1))
                if tag in (*_WIDTH, *_HEIGHT) and kind in (_SHORT, _LONG):
                    side = size[0] if tag in _WIDTH else size[1]
                    struct.pack_into(order + "HII", changed, entry + 2, _LONG, 1, side)
    except (KeyError, struct.error):
        return exif  # that nobody can parse
    return exif[:start] + bytes(changed)


def _folders(exif: bytearray, order: str, at: int) -> Iterator[int]:
    for entry, tag, kind in list(_entries(exif, order, at)):
        if tag == _FOLDER and kind == _LONG:
            yield struct.unpack_from(order + "I", exif, entry + 8)[0]


def _entries(exif: bytearray, order: str, at: int) -> Iterator[tuple[int, int, int]]:
    """Where each entry of a directory with one value is, its tag and its type."""
    (count,) = struct.unpack_from(order + "H", exif, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", exif, entry)
        if values == 1:
            yield entry, tag, kind
