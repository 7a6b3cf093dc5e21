"""A picture as a video call would have shown it: real codecs, through PyAV.

The camera pans slowly over the picture, a few frames are coded at a constant bit rate as live
encoders do it (no frames ahead, no B frames, one key frame at the start), and the middle frame is
taken, which shows the very picture. So the codec predicts from moved and already damaged frames.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.errors import UserError

__all__ = ["CODECS", "code_video"]

CODECS = ("h264", "vp9")
"""What `code_video` codes with: x264, and libvpx's VP9."""

_ENCODERS = {"h264": "libx264", "vp9": "libvpx-vp9"}
_FPS, _MIDDLE = 30, 8
_NOMINAL = 640 * 360
# A smaller picture is continued by its last row and column: at the rate of 64x64 x264 has no bits
# even for the colour of a flat one.
_LEAST = 128

Planes = npt.NDArray[np.uint8]


def code_video(
    image: Image.Image, codec: str, kbps: float, pan: float, angle: float
) -> Image.Image:
    """The 8-bit RGB `image` coded as a frame of a video with 30 frames a second.

    `kbps` (1,000 bits a second) is what a call of 640x360 would have; a picture of another size
    gets as many bits a pixel. The camera moves `pan` pixels a frame towards `angle` (degrees).
    Colour is 4:2:0. Raises `UserError` where PyAV or its encoder is missing.
    """
    width, height = image.size
    whole = _padded(image, *(max(side + side % 2, _LEAST) for side in image.size))
    rate = int(kbps * 1000 * whole.width * whole.height / _NOMINAL)
    x, y = pan * math.cos(math.radians(angle)), pan * math.sin(math.radians(angle))
    frames = _panned(_planes(whole), [(k * x, k * y) for k in range(-_MIDDLE, _MIDDLE)])
    coded = _code(frames, whole.size, codec, rate)
    return _image(coded[_MIDDLE], whole.size).crop((0, 0, width, height))


def _code(frames: list[Planes], size: tuple[int, int], codec: str, rate: int) -> list[Planes]:
    """All frames, encoded and decoded again; `rate` in bits a second."""
    av = _pyav()
    try:
        encoder = av.CodecContext.create(_ENCODERS[codec], "w")
    except av.codec.codec.UnknownCodecError:
        raise UserError(
            f"this PyAV has no encoder {_ENCODERS[codec]}: pip install --force-reinstall av"
        ) from None
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, _FPS), Fraction(_FPS, 1)
    encoder.bit_rate, encoder.gop_size = rate, 10 * _FPS
    encoder.thread_count = 1  # the bytes must not depend on the machine
    encoder.options = _options(codec, str(rate))
    decoder = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    packets = []
    for number, planes in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    return [frame.to_ndarray() for frame in [*decoded, *decoder.decode(None)]]


def _options(codec: str, rate: str) -> dict[str, str]:
    """Live, at a constant rate, with a buffer of one second."""
    constant = {"maxrate": rate, "bufsize": rate}
    if codec == "h264":
        # By default x264 has its key frame cost little, and takes a second and a half to recover.
        # So its ninth frame is within 0.6 dB of the 49th that it codes by default (five photos).
        return {
            "preset": "superfast",
            "tune": "zerolatency",
            "x264-params": "qcomp=0.3",
            **constant,
        }
    live = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    # As in browsers' calls: without the limit the key frame takes many times the rate.
    return {**live, "minrate": rate, **constant, "max-intra-rate": "600"}


def _pyav() -> Any:
    try:
        import av
    except ImportError:
        raise UserError(
            'degrading by video needs PyAV: pip install "kdsharp[video]", or take another recipe'
        ) from None
    return av


def _padded(image: Image.Image, width: int, height: int) -> Image.Image:
    if (width, height) == image.size:
        return image
    rim = ((0, height - image.height), (0, width - image.width), (0, 0))
    return Image.fromarray(np.pad(np.asarray(image), rim, mode="edge"))


def _planes(image: Image.Image) -> list[Image.Image]:
    """Y, Cb and Cr at 4:2:0, full range."""
    y, cb, cr = image.convert("YCbCr").split()
    return [y, cb.reduce(2), cr.reduce(2)]


def _panned(planes: list[Image.Image], places: list[tuple[float, float]]) -> list[Planes]:
    """What a camera sees that stands at each of `places` (right, down), as PyAV takes it.

    That is Y, Cb and Cr one after the other, (3/2 H, W). At (0, 0) it is the picture itself.
    """
    rim = math.ceil(max(max(abs(x), abs(y)) for x, y in places)) + 2
    wide = [Image.fromarray(np.pad(np.asarray(plane), rim, mode="edge")) for plane in planes]
    frames = []
    for x, y in places:
        seen = [
            whole.transform(
                plane.size,
                Image.Transform.AFFINE,
                (1, 0, rim + x / part, 0, 1, rim + y / part),
                Image.Resampling.BICUBIC,
            )
            for plane, whole, part in zip(planes, wide, (1, 2, 2), strict=True)
        ]
        flat = np.concatenate([np.asarray(plane).ravel() for plane in seen])
        frames.append(flat.reshape(-1, planes[0].width))
    return frames


def _image(planes: Planes, size: tuple[int, int]) -> Image.Image:
    width, height = size
    flat, quarter = planes.ravel(), width * height // 4
    y = Image.fromarray(flat[: 4 * quarter].reshape(height, width))
    chroma = flat[4 * quarter :].reshape(2, height // 2, width // 2)
    cb, cr = (Image.fromarray(part).resize(size, Image.Resampling.BILINEAR) for part in chroma)
    return Image.merge("YCbCr", (y, cb, cr)).convert("RGB")
