"""Which form of pixels a video is worked on and encoded in."""

from collections.abc import Collection
from typing import Any

from kdsharp.errors import UserError

__all__ = ["bits", "full_range", "working_format"]

_SUBSAMPLING = {(1, 1): "444", (2, 1): "422", (2, 2): "420"}
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def working_format(name: str, known: Collection[str], *, drop_alpha: bool = False) -> str:
    """The pixel format to work in and to encode, for frames of FFmpeg's format `name`.

    It is `name` itself where the encoder takes it (`known` are its formats) and the luma is a
    plane of its own; else the planar format that loses nothing of depth and chroma. Raises
    `UserError`, which does not name the file, where there is none.
    """
    import av

    pixels = av.VideoFormat(name)
    if any(part.is_alpha for part in pixels.components) or pixels.has_palette:
        if not drop_alpha:
            raise UserError("has transparency, which is not kept: --drop alpha")
        name, pixels = _without_alpha(name), av.VideoFormat(_without_alpha(name))
    if name in known and _luma_is_a_plane(pixels):
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

    Grey that says nothing of it does, unlike colour: so FFmpeg has it.
    """
    name, said = frame.format.name, frame.color_range
    return bool(name.startswith("yuvj") or said == _FULL_RANGE or (name[:4] == "gray" and not said))


def _luma_is_a_plane(pixels: Any) -> bool:
    first = pixels.components[0]
    return bool(first.is_luma and not any(c.plane == 0 for c in pixels.components[1:]))


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
