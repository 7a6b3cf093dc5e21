"""Clips of 640x360 as calls have them, made of photos: a still background, and what moves."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from kdsharp.errors import UserError
from kdsharp.imageio.decode import read_rgb
from kdsharp.video.frames import plane_view

__all__ = ["RATE", "ROWS", "Luma", "Pair", "make_clip", "pairs_of"]

Luma = npt.NDArray[np.uint8]
"""(H, W), 8-bit."""

Pair = tuple[Image.Image, Image.Image]
"""The background of a call, and what moves in front of it."""

RATE = 30
"""Frames a second."""

_SIZE, _NOISE = (640, 360), 1.5
_HEAD = (220, 260)  # of what moves
_ENCODERS = {"h264": "libx264", "vp9": "libvpx-vp9"}
_LIVE = {
    "h264": {"preset": "superfast", "tune": "zerolatency"},
    "vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "max-intra-rate": "600"},
}
_WHOLE = [f"{codec}-{kbps}k" for codec in _ENCODERS for kbps in (300, 600, 1000)]

ROWS = (*_WHOLE, "half-h264-100k", "half-h264-250k", "half-vp9-250k", "scenes")
"""Kinds of clips: the codec and its rate; `half` were sent at half the size and enlarged."""

_Rgb = npt.NDArray[np.uint8]
_Planes = npt.NDArray[np.uint8]  # Y, Cb, Cr of 4:2:0 below each other, (3/2 H, W)


def pairs_of(folder: Path, count: int) -> list[Pair]:
    """The first `count` pairs of photos of `folder` that are large enough.

    Raises `UserError` without any.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".webp"))
    photos = (read_rgb(path) for path in paths)
    large = [one for one in photos if one.width >= _SIZE[0] and one.height >= _SIZE[1]]
    if len(large) < 2:
        raise UserError(f"{folder}: has no two photos of at least {_SIZE[0]}x{_SIZE[1]} pixels")
    return [(large[at], large[at + 1]) for at in range(0, len(large) - 1, 2)][:count]


def make_clip(clip: Path, name: str, pair: Pair, count: int) -> list[Luma]:
    """Write the clip of row `name`; returns the luma of the frames as they ought to be."""
    truths = list(_call(*pair, count))
    if name == "scenes":
        third = count // 3
        sharp = [np.asarray(ImageOps.fit(pair[1], _SIZE, Image.Resampling.LANCZOS))] * third
        soft = [_half(_half(truth, 2), 0.5) for truth in truths[:third]]
        calls = _coded(clip, _noisy(truths[:third]), "h264", 300)
        _write(clip, [*calls, *map(_planes, soft), *map(_planes, sharp)], {"crf": "12"})
        return [_planes(truth)[: _SIZE[1]] for truth in (*truths[:third] * 2, *sharp)]
    *half, codec, kbps = name.split("-")
    seen = _noisy(truths)
    if half:
        small = _coded(clip, [_half(frame, 2) for frame in seen], codec, int(kbps[:-1]))
        _write(clip, [_enlarged(planes) for planes in small], None)
    else:
        _write(clip, map(_planes, seen), _live(codec, int(kbps[:-1])), codec, int(kbps[:-1]))
    return [_planes(truth)[: _SIZE[1]] for truth in truths]


def _call(back: Image.Image, front: Image.Image, count: int) -> Iterator[_Rgb]:
    """A background, and in front of it an oval that sways."""
    still = np.asarray(ImageOps.fit(back, _SIZE, Image.Resampling.LANCZOS), np.float32)
    head = ImageOps.fit(front, _HEAD, Image.Resampling.LANCZOS)
    wide = Image.fromarray(np.pad(np.asarray(head), ((8, 8), (8, 8), (0, 0)), mode="edge"))
    y, x = np.mgrid[: _HEAD[1], : _HEAD[0]]
    oval = (
        1 - ((x - _HEAD[0] / 2) / (_HEAD[0] / 2)) ** 2 - ((y - _HEAD[1] / 2) / (_HEAD[1] / 2)) ** 2
    )
    mask = np.clip(6 * oval, 0, 1)[..., None]
    for at in range(count):
        place = (1, 0, 8 + 4 * np.sin(at / 9), 0, 1, 8 + 3 * np.sin(at / 13))
        moved = wide.transform(_HEAD, Image.Transform.AFFINE, place, Image.Resampling.BICUBIC)
        frame = still.copy()
        part = frame[_SIZE[1] - _HEAD[1] :, 210 : 210 + _HEAD[0]]
        part[:] = part * (1 - mask) + np.asarray(moved, np.float32) * mask
        yield np.rint(np.clip(frame, 0, 255)).astype(np.uint8)


def _noisy(truths: Sequence[_Rgb]) -> list[_Rgb]:
    rng = np.random.default_rng(0)
    seen = (truth + rng.normal(0, _NOISE, truth.shape) for truth in truths)
    return [np.rint(np.clip(frame, 0, 255)).astype(np.uint8) for frame in seen]


def _half(frame: _Rgb, by: float) -> _Rgb:
    image = Image.fromarray(frame)
    size = round(image.width / by), round(image.height / by)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _enlarged(planes: _Rgb) -> _Rgb:
    frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
    luma = _half(np.ascontiguousarray(plane_view(frame, 0)), 0.5)
    large = frame.reformat(*_SIZE, interpolation="BICUBIC")
    large.make_writable()
    plane_view(large, 0)[:] = luma
    return np.asarray(large.to_ndarray(), np.uint8)


def _planes(rgb: _Rgb) -> _Rgb:
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuv420p")
    return np.asarray(frame.to_ndarray(), np.uint8)


def _live(codec: str, kbps: int) -> dict[str, str]:
    rate = str(kbps * 1000)
    least = {"minrate": rate} if codec == "vp9" else {}
    return {**_LIVE[codec], **least, "maxrate": rate, "bufsize": rate}


def _coded(clip: Path, frames: list[_Rgb], codec: str, kbps: int) -> list[_Rgb]:
    _write(clip, map(_planes, frames), _live(codec, kbps), codec, kbps)
    with av.open(str(clip)) as opened:
        return [np.asarray(frame.to_ndarray(), np.uint8) for frame in opened.decode(video=0)]


def _write(
    clip: Path,
    frames: Iterable[_Planes],
    options: dict[str, str] | None,
    codec: str = "h264",
    kbps: int = 0,
) -> None:
    """Frames as planes of 4:2:0; losslessly without `options`, at a rate if there is one."""
    with av.open(str(clip), "w") as out:
        stream: Any = None
        for at, planes in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            if stream is None:
                encoder = _ENCODERS[codec] if options is not None else "ffv1"
                stream = out.add_stream(encoder, rate=RATE, options=options or {})
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
                # The bytes must not depend on the machine.
                stream.codec_context.gop_size, stream.codec_context.thread_count = 10 * RATE, 1
                if kbps:
                    stream.bit_rate = kbps * 1000
            frame.pts, frame.time_base = at, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
