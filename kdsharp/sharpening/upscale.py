"""Enlarge a photo and undo the blur of that: its pixels by a model, and all else that it holds."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.imageio.decode import LIMIT, most_megapixels
from kdsharp.imageio.exif import enlarged_exif
from kdsharp.imageio.photo import Photo
from kdsharp.runtime.enlarge import Enlarger

__all__ = ["TIMES", "upscaled"]

TIMES = (2, 3, 4)
"""How many times a photo can be enlarged: what models are made for."""

_MOST = 65535  # dots per inch that a JPEG can say


def upscaled(photo: Photo, enlarger: Enlarger) -> Photo:
    """`photo` with as many more pixels across and down as `enlarger.times`, sharpened.

    Alpha and the chroma of YCbCr are enlarged by Pillow's bicubic alone; of CMYK the colours are
    enlarged as RGB and black as grey. Printed it is as large as before: dots per inch grow with it,
    also in EXIF, where the sizes in pixels become the new ones. Raises `UserError` for more pixels
    than a picture may have.
    """
    times = enlarger.times
    height, width = (side * times for side in photo.pixels.shape[:2])
    if width * height > most_megapixels() * 1e6:
        raise UserError(
            f"{width}x{height} would be more than {most_megapixels():g} megapixels: set "
            f"{LIMIT}={-(-width * height // 1_000_000)} if there is memory for it"
        )
    pixels = _pixels(photo, enlarger, (height, width))
    alpha = None if photo.alpha is None else _resized(photo.alpha, (width, height))
    about = dict(photo.about)
    if "dpi" in about:
        about["dpi"] = tuple(min(value * times, _MOST) for value in about["dpi"])
    if "exif" in about:
        about["exif"] = enlarged_exif(about["exif"], (width, height), times)
    return dataclasses.replace(photo, pixels=pixels, alpha=alpha, about=about)


def _pixels(photo: Photo, enlarger: Enlarger, shape: tuple[int, int]) -> npt.NDArray[Any]:
    small: npt.NDArray[Any] = photo.pixels
    out = np.empty((*shape, *small.shape[2:]), small.dtype)
    if photo.space == "YCbCr":
        enlarger.array(small[..., 0], out[..., 0], photo.alpha)
        for channel in (1, 2):
            plane = np.ascontiguousarray(small[..., channel])
            out[..., channel] = _resized(plane, (shape[1], shape[0]))
    elif photo.space == "CMYK":
        peak = np.iinfo(small.dtype).max
        light = np.subtract(peak, small)
        for part in (np.s_[..., :3], np.s_[..., 3]):
            enlarger.array(light[part], out[part], photo.alpha)
        np.subtract(peak, out, out=out)
    else:
        enlarger.array(small, out, photo.alpha)
    return out


def _resized(plane: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC))
