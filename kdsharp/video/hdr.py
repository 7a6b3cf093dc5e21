"""What a video says about itself beside the pixels: rotation, HDR, and what cannot be kept."""

import struct
from collections.abc import Mapping
from typing import Any

__all__ = ["UNKEPT", "display_matrix", "hdr_parameters"]

UNKEPT: Mapping[str, str] = {
    "DOVI_RPU_BUFFER": "dynamic-hdr",
    "DOVI_METADATA": "dynamic-hdr",
    "DYNAMIC_HDR_PLUS": "dynamic-hdr",
    "DYNAMIC_HDR_VIVID": "dynamic-hdr",
    "SPHERICAL": "spherical",
    "STEREO3D": "stereo-3d",
}
"""Side data of frames that no encoder here can write, with the name under which to drop it."""

_MASTERING = struct.Struct("22i")  # AVMasteringDisplayMetadata: ten rationals, two flags
_LIGHT = struct.Struct("2I")  # AVContentLightMetadata: MaxCLL, MaxFALL
_PRIMARIES, _LUMINANCE = 50_000, 10_000  # units of SMPTE ST 2086


def display_matrix(frame: Any) -> list[int] | None:
    """The nine numbers that say how to turn the picture, or None where it stands upright."""
    data = _side_data(frame, "DISPLAYMATRIX")
    return list(struct.unpack("9i", data)) if data else None


def hdr_parameters(frame: Any, option: str) -> str | None:
    """The mastering display and the light levels of `frame` as an encoder's parameters.

    `option` is FFmpeg's name for them, such as `x265-params`. None where the frame has neither.
    """
    parts = []
    names = _NAMES[option]
    mastering = _side_data(frame, "MASTERING_DISPLAY_METADATA")
    if mastering and (text := _mastering(mastering, exact=option != "svtav1-params")):
        parts.append(f"{names[0]}={text}")
    if light := _side_data(frame, "CONTENT_LIGHT_LEVEL"):
        parts.append("{}={},{}".format(names[1], *_LIGHT.unpack(light[: _LIGHT.size])))
    return ":".join(parts) or None


_NAMES = {
    "x264-params": ("mastering-display", "cll"),
    "x265-params": ("master-display", "max-cll"),
    "svtav1-params": ("mastering-display", "content-light"),
}


def _mastering(data: bytes, *, exact: bool) -> str | None:
    """x264 and x265 count in the units of SMPTE ST 2086, SVT-AV1 in real numbers."""
    numbers = _MASTERING.unpack(data[: _MASTERING.size])
    values = [n / d if d else 0.0 for n, d in zip(numbers[0:20:2], numbers[1:20:2], strict=True)]
    if not all(numbers[20:22]):
        return None

    def text(value: float, unit: int) -> str:
        return str(round(value * unit)) if exact else f"{value:.4f}"

    red, green, blue, white = (
        ",".join(text(value, _PRIMARIES) for value in values[at : at + 2]) for at in (0, 2, 4, 6)
    )
    low, high = (text(value, _LUMINANCE) for value in values[8:10])
    return f"G({green})B({blue})R({red})WP({white})L({high},{low})"


def _side_data(frame: Any, name: str) -> bytes | None:
    for data in frame.side_data:
        if data.type.name == name:
            return bytes(data)
    return None
