"""What x264's presets cost and keep, beside the network.

    python -m benchmarks.presets CLIP
    python -m benchmarks.presets CLIP --frames 24 --choices superfast:23 veryfast:23

The first frames of CLIP are scaled to 1920x1080, sharpened by small-x2, and encoded with each
preset and CRF, by all cores. Prints CPU milliseconds a frame (which hardly depend on what else the
machine does), the size, and Y-PSNR (dB) of what was encoded beside what went in.
"""

import tempfile
import time
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from benchmarks.common.command import log, parser_of
from kdsharp import Sharpener
from kdsharp.errors import run
from kdsharp.tables import markdown
from kdsharp.video.frames import FrameSharpener, plane_view

__all__ = ["main"]

_SIZE = (1920, 1080)
_CHOICES = ["ultrafast:23", "superfast:23", "superfast:24", "superfast:25", "veryfast:23"]

Luma = npt.NDArray[np.uint8]


def main() -> None:
    """Read the arguments, sharpen, encode with each choice, print a table."""
    parser = parser_of("presets", __doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--choices", nargs="+", default=_CHOICES, metavar="PRESET:CRF")
    args = parser.parse_args()
    sharpen = FrameSharpener(Sharpener("small-x2", threads=1).router.first, "yuv420p")
    frames, begun = _frames(args.clip, args.frames), time.process_time()
    sharp = [sharpen(frame) for frame in frames]
    network = (time.process_time() - begun) / len(sharp) * 1000
    truths = [plane_view(frame, 0).copy() for frame in sharp]
    rows = [["the network alone", f"{network:.1f}", "", ""]]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.mp4"
        for choice in args.choices:
            log(choice)
            preset, crf = choice.split(":")
            begun = time.process_time()
            _encode(target, sharp, preset, crf)
            spent = (time.process_time() - begun) / len(sharp) * 1000
            size = target.stat().st_size / 1000
            rows.append(
                [f"`{preset}`, CRF {crf}", f"{spent:.1f}", f"{size:.0f}", _psnr(target, truths)]
            )
    print(markdown(["", "CPU ms a frame", "kB", "Y-PSNR (dB)"], rows))


def _frames(clip: Path, count: int) -> list[Any]:
    with av.open(str(clip)) as opened:
        frames = islice(opened.decode(video=0), count)
        return [f.reformat(*_SIZE, format="yuv420p", interpolation="BICUBIC") for f in frames]


def _encode(target: Path, frames: list[Any], preset: str, crf: str) -> None:
    with av.open(str(target), "w") as out:
        options = {"preset": preset, "crf": crf}
        stream: Any = out.add_stream("libx264", rate=25, options=options)
        (stream.width, stream.height), stream.pix_fmt = _SIZE, "yuv420p"
        stream.codec_context.thread_type = "FRAME"
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 25), 0
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _psnr(path: Path, truths: list[Luma]) -> str:
    with av.open(str(path)) as opened:
        lumas = [plane_view(frame, 0).astype(np.float32) for frame in opened.decode(video=0)]
    errors = [np.mean((one - truth) ** 2) for one, truth in zip(lumas, truths, strict=True)]
    return f"{np.mean([10 * np.log10(255**2 / error) for error in errors]):.2f}"


if __name__ == "__main__":
    raise SystemExit(run(main, program="presets"))
