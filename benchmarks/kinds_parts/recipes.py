"""The kinds that `kdsharp.kinds` tells apart, as recipes of `kdsharp.degrade`."""

from typing import Any

__all__ = ["KINDS", "OFTEN"]

_SMOOTH = ["bicubic", "area", "bilinear", "lanczos"]
_SCREEN = ["bicubic", "bilinear", "lanczos"]


def _small(kernel: Any, *stored: dict[str, Any], scale: Any = 2) -> list[dict[str, Any]]:
    return [
        {"shrink": {"kernel": kernel, "scale": scale}},
        *stored,
        {"enlarge": {"kernel": "bicubic"}},
    ]


def _jpeg(low: int, high: int) -> dict[str, Any]:
    return {"jpeg": {"quality": [low, high]}}


def _any(low: float, high: float) -> list[dict[str, Any]]:
    return [
        {"shrink": {"kernel": _SMOOTH, "scale": [low, high]}},
        {"enlarge": {"kernel": _SCREEN}},
    ]


KINDS: dict[str, Any] = {
    "sharp": [],
    "sharp-jpeg": [_jpeg(60, 97)],
    "sharp-noise": [{"noise": {"sigma": [1, 6]}}],
    "bicubic": _small("bicubic"),
    "area": _small("area"),
    "cubic": _small("cubic"),
    "bilinear": _small("bilinear"),
    "lanczos": _small("lanczos"),
    "jpeg-95": _small("bicubic", _jpeg(88, 97)),
    "jpeg-85": _small("bicubic", _jpeg(78, 88)),
    "jpeg-65": _small("bicubic", _jpeg(55, 78)),
    "jpeg-40": _small("bicubic", _jpeg(25, 55)),
    "area-jpeg": _small("area", _jpeg(30, 97)),
    "cubic-jpeg": _small("cubic", _jpeg(30, 97)),
    "webp-fine": _small("bicubic", {"webp": {"quality": [75, 97]}}),
    "webp-coarse": _small("bicubic", {"webp": {"quality": [25, 75]}}),
    "noise-low": _small("bicubic", {"noise": {"sigma": [1, 4]}}),
    "noise-high": _small("bicubic", {"noise": {"sigma": [4, 9]}}),
    "call-high": _small("bicubic", {"video": {"kbps": [600, 1500]}}),
    "call-low": _small("bicubic", {"video": {"kbps": [200, 600]}}),
    "blur-low": [{"blur": {"sigma": [0.5, 0.8]}}],
    "blur-mid": [{"blur": {"sigma": [0.8, 1.4]}}],
    "blur-high": [{"blur": {"sigma": [1.4, 2.2]}}],
    "motion": [{"motion": {"length": [3, 10]}}],
    "x3": _small("bicubic", scale=3),
    "x4": _small("bicubic", scale=4),
    "any-1": _any(1.0, 1.4),
    "any-2": _any(1.4, 2.4),
    "any-3": _any(2.4, 4),
    "any-jpeg": [
        {"shrink": {"kernel": ["bicubic", "area"], "scale": [1.2, 3]}},
        _jpeg(50, 97),
        {"enlarge": {"kernel": ["bicubic", "bilinear"]}},
    ],
    "any-call": ["videocall"],
    "phone": ["phone"],
}
"""Recipes by the names of the kinds, in their order."""

OFTEN = {"sharp": 3.0, "sharp-jpeg": 2.0, "any-call": 0.5}
"""How often a kind is met, where that is not 1."""
