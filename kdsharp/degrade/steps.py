"""What recipes are made of: each kind of step with its parameters, their bounds and defaults."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from kdsharp.degrade.kernels import KERNELS, disc_blur, gaussian_blur, motion_blur, resize
from kdsharp.degrade.values import Number, Words
from kdsharp.degrade.video import CODECS, code_video

__all__ = ["ENLARGE", "STEP_TYPES", "StepType"]


@dataclass(frozen=True)
class StepType:
    """A kind of step: `run(image, **values)` with a value for each of `parameters`.

    Image in, image out: 8-bit RGB. `wide`: what happens to a pixel depends on all of the picture.
    """

    about: str
    run: Callable[..., Image.Image]
    parameters: Mapping[str, Number | Words]
    wide: bool = False


def _shrink(image: Image.Image, kernel: str, scale: float) -> Image.Image:
    width, height = (max(int(side / scale + 0.5), 1) for side in image.size)
    return resize(image, (width, height), kernel)


def _enlarge(image: Image.Image, size: tuple[int, int], kernel: str) -> Image.Image:
    return resize(image, size, kernel)


def _noise(image: Image.Image, sigma: float, seed: int) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    random = np.random.default_rng(seed)
    noise = random.standard_normal(pixels.shape, np.float32) * np.float32(sigma)
    return Image.fromarray(np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8))


def _poisson(image: Image.Image, photons: float, seed: int) -> Image.Image:
    counts = np.random.default_rng(seed).poisson(np.asarray(image) * (photons / 255))
    return Image.fromarray(np.clip(np.rint(counts * (255 / photons)), 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image, quality: int, chroma: str) -> Image.Image:
    return _stored(image, format="JPEG", quality=quality, subsampling=chroma)


def _webp(image: Image.Image, quality: int) -> Image.Image:
    return _stored(image, format="WEBP", quality=quality)


def _stored(image: Image.Image, **options: Any) -> Image.Image:
    """Saved and opened again."""
    file = io.BytesIO()
    image.save(file, **options)
    with Image.open(file) as opened:
        return opened.convert("RGB")


_SEED = Number(0, 2**32 - 1, (0, 2**32 - 1), whole=True, shown=False)
_ANGLE = Number(0, 360, (0, 360))

ENLARGE = "enlarge"
"""The one step that also gets `size`, that of the picture at the start."""

STEP_TYPES: dict[str, StepType] = {
    "blur": StepType(
        "a Gaussian; sigma in pixels", gaussian_blur, {"sigma": Number(0.1, 10, (0.4, 1.6))}
    ),
    "disc": StepType(
        "the mean over a disc, as out of focus; radius in pixels",
        disc_blur,
        {"radius": Number(0.3, 10, (0.7, 3))},
    ),
    "motion": StepType(
        "the mean along a line; length in pixels, angle in degrees",
        motion_blur,
        {"length": Number(1, 31, (2, 9)), "angle": _ANGLE},
    ),
    "shrink": StepType(
        "to 1/scale of the sides; without a scale, to that of the whole recipe",
        _shrink,
        {"kernel": Words(KERNELS, ("bicubic",)), "scale": Number(1, 4, None)},
    ),
    ENLARGE: StepType(
        "to the size at the start", _enlarge, {"kernel": Words(KERNELS, ("bicubic",))}
    ),
    "noise": StepType(
        "Gaussian, the same everywhere; sigma in levels of 0..255",
        _noise,
        {"sigma": Number(0, 50, (1, 8)), "seed": _SEED},
    ),
    "poisson": StepType(
        "of the light itself; photons that make white",
        _poisson,
        {"photons": Number(10, 100_000, (300, 3000)), "seed": _SEED},
    ),
    "jpeg": StepType(
        "stored as JPEG",
        _jpeg,
        {
            "quality": Number(10, 100, (30, 95), whole=True),
            "chroma": Words(("4:2:0", "4:2:2", "4:4:4"), ("4:2:0", "4:4:4")),
        },
    ),
    "webp": StepType("stored as WebP", _webp, {"quality": Number(10, 100, (30, 95), whole=True)}),
    "video": StepType(
        "a frame of a video call; kbps at 640x360, pan in pixels a frame",
        code_video,
        {
            "codec": Words(CODECS, CODECS),
            "kbps": Number(20, 10_000, (200, 1500)),
            "pan": Number(0, 4, (0.1, 0.8)),
            "angle": _ANGLE,
        },
        wide=True,
    ),
}
"""Every kind of step by its name."""
