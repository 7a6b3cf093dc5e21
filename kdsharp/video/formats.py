"""What a video is made of: the form of its pixels, and what it says beside them (rotation, HDR)."""

import math
import struct
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kdsharp.errors import UserError

__all__ = [
    "UNKEPT",
    "bits",
    "display_matrix",
    "full_range",
    "has_luma_plane",
    "hdr_parameters",
    "import_av",
    "side_data",
    "working_format",
]

_SUBSAMPLING = {(1, 1): "444", (2, 1): "422", (2, 2): "420"}
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG

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
_NAMES = {
    "x264-params": ("mastering-display", "cll"),
    "x265-params": ("master-display", "max-cll"),
    "svtav1-params": ("mastering-display", "content-light"),
}


def import_av() -> Any:
    """PyAV, which all video needs; `UserError` that says how to install it where it is missing."""
    try:
        import av
    except ImportError as error:
        raise UserError('videos need PyAV: pip install "kdsharp[video]"') from error
    return av


def working_format(name: str, known: Collection[str], *, drop_alpha: bool = False) -> str:
    """The pixel format to work in and to encode, for frames of FFmpeg's format `name`.

    It is `name` itself where the encoder takes it (`known` are its formats) and the luma is a
    plane of its own; else the planar format that loses nothing of depth and chroma. Raises
    `UserError`, which does not name the file, if there is no such format.
    """
    import av

    pixels = av.VideoFormat(name)
    if any(part.is_alpha for part in pixels.components) or pixels.has_palette:
        if not drop_alpha:
            raise UserError("has transparency, which is not kept: --drop alpha")
        name, pixels = _without_alpha(name), av.VideoFormat(_without_alpha(name))
    if name in known and has_luma_plane(name):
        return name
    depth = bits(name)
    for wanted in (8, 10, 12):
        if depth <= wanted:
            suffix = "" if wanted == 8 else f"{wanted}le"
            break
    else:
        raise UserError(f"has {depth} bits a channel, which is not kept: convert it to 12 or less")
    form = f"gray{suffix}" if name.startswith("gray") else f"yuv{_chroma(pixels)}p{suffix}"
    if form not in known:
        raise UserError(f"is {form}, which this codec cannot hold: choose another with --codec")
    return form


def bits(name: str) -> int:
    """Bits of each value of FFmpeg's pixel format `name`."""
    import av

    return max(part.bits for part in av.VideoFormat(name).components)


def full_range(frame: Any) -> bool:
    """Whether the luma of a frame uses all of its values, and not the studio's 16..235 of 255.

    Grey that does not say so does, unlike colour, as in FFmpeg.
    """
    name, said = frame.format.name, frame.color_range
    return bool(name.startswith("yuvj") or said == _FULL_RANGE or (name[:4] == "gray" and not said))


def has_luma_plane(name: str) -> bool:
    """Whether luma lies in a plane by itself; not in RGB, nor where it is packed with chroma."""
    import av

    pixels = av.VideoFormat(name)
    first = pixels.components[0]
    alone = not any(part.plane == 0 for part in pixels.components[1:])
    return bool(first.is_luma and alone and not pixels.has_palette)


def _without_alpha(name: str) -> str:
    """The nearest format without alpha; RGB in any order comes to the same."""
    plain = name.replace("yuva", "yuv").replace("gbrap", "gbrp").replace("ya8", "gray")
    return plain if plain != name else "rgb24"


def _chroma(pixels: Any) -> str:
    if pixels.is_rgb:
        return "444"
    step = (16 // pixels.chroma_width(16), 16 // pixels.chroma_height(16))
    # Rare ones, such as 4:1:1 and 4:4:0, go to the next finer of the usual.
    return _SUBSAMPLING.get(step, "420" if step == (4, 4) else "422" if step[1] == 1 else "444")


def display_matrix(frame: Any) -> list[int] | None:
    """The nine numbers that say how to turn the picture, or None where it stands upright."""
    if data := _side_data(frame, "DISPLAYMATRIX"):
        return list(struct.unpack("9i", data))
    if not frame.rotation:
        return None
    # As FFmpeg's av_display_rotation_set does, in 16.16 and 2.30 fixed point.
    angle = math.radians(frame.rotation)
    cosine, sine = round(math.cos(angle) * 65536), round(math.sin(angle) * 65536)
    return [cosine, -sine, 0, sine, cosine, 0, 0, 0, 1 << 30]


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


def side_data(frame: Any) -> Iterator[tuple[str, Any]]:
    """Name and contents of what `frame` carries beside its pixels.

    Nothing where PyAV does not know one of them, such as the EXIF of a camera's Motion JPEG: it
    then gives none.
    """
    try:
        found = list(frame.side_data)
    except ValueError:
        return
    yield from ((data.type.name, data) for data in found)


def _side_data(frame: Any, wanted: str) -> bytes | None:
    return next((bytes(data) for name, data in side_data(frame) if name == wanted), None)
