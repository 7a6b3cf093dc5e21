"""Calls and changes of scene: what routing gains, and whether still parts flicker.

    python -m benchmarks.flicker --photos FOLDER               # all rows
    python -m benchmarks.flicker --photos FOLDER --rows h264-300k scenes --seconds 2
    python -m benchmarks.flicker --photos FOLDER --model small-x2-streamed

Clips of 640x360 are made from photos of FOLDER that are at least as large: a background that stands
still, a second photo that moves in front of it as a head does, a camera's noise; coded as live
encoders do, at a constant rate. In the rows `half-...` the call was sent at half the size and
enlarged, and in `scenes` a call, a picture enlarged by 2 and a sharp one follow each other.
Each clip goes through `kdsharp sharpen` as installed (or `--model`), losslessly, as it is and
without `steady`. Prints Y-PSNR (dB) against the frames without noise, and the static difference:
the root mean square of the change from frame to frame, in parts that stand still in the input.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from benchmarks.common.calls import RATE, ROWS, Luma, Pair, make_clip, pairs_of
from benchmarks.common.command import log, parser_of
from kdsharp import Sharpener
from kdsharp.errors import run
from kdsharp.tables import markdown
from kdsharp.video import VideoOptions, VideoResult
from kdsharp.video.frames import plane_view

__all__ = ["Static", "main", "static_difference"]

_BLOCK, _LAG, _STILL = 8, 4, 4.0  # pixels, frames, levels of a block's mean


@dataclass(frozen=True)
class Static:
    """`before` and `after`, in levels; `share` of the input (0..1) stood still."""

    before: float
    after: float
    share: float

    @property
    def ratio(self) -> float:
        """How many times as large it came out."""
        return self.after / self.before if self.before else 1.0


def static_difference(before: Sequence[Luma], after: Sequence[Luma]) -> Static:
    """How much parts change from frame to frame that stand still in the luma `before`.

    A block of 8x8 pixels stands still between two frames if its mean is within 4 levels of what it
    was, one frame ago and four frames ago. Both are 8-bit frames (H, W), of the same size.
    """
    squares, pixels, shares = np.zeros(2), 0, list[float]()
    means = [_means(frame) for frame in before]
    for at in range(1, len(before)):
        earlier = (means[at - 1], means[max(at - _LAG, 0)])
        still = np.all([np.abs(means[at] - one) < _STILL for one in earlier], axis=0)
        mask = np.kron(still, np.ones((_BLOCK, _BLOCK), bool))
        height, width = mask.shape
        for index, seen in enumerate((before, after)):
            step = seen[at].astype(np.int16) - seen[at - 1]
            squares[index] += np.square(step[:height, :width][mask].astype(np.int32)).sum()
        pixels += int(mask.sum())
        shares.append(float(still.mean()))
    roots = np.sqrt(squares / max(pixels, 1))
    return Static(float(roots[0]), float(roots[1]), float(np.mean(shares)))


def main() -> None:
    """Read the arguments, make and measure each clip, print a table."""
    args = _arguments()
    pairs = pairs_of(args.photos, args.pairs)
    sharpener = Sharpener(args.model, threads=1, streams=args.streams)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.rows:
            log(name)
            found = [
                _measured(Path(folder), name, pair, round(args.seconds * RATE), sharpener)
                for pair in pairs
            ]
            rows.append([name, *_cells(found)])
    head = ["clip", "input (dB)", "gain (dB)", "without steady", "static, input", "without steady"]
    print(markdown([*head, "as installed", "models by frames"], rows))


@dataclass(frozen=True)
class _Measured:
    """Of one clip: PSNR, and static differences, without `steady` and with it."""

    input: float
    gains: tuple[float, float]
    static: tuple[Static, Static]
    result: VideoResult


def _arguments() -> argparse.Namespace:
    parser = parser_of("flicker", __doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS, metavar="ROW")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--pairs", type=int, default=3, help="clips of each row")
    parser.add_argument("--model", default=None)
    parser.add_argument("--streams", type=int, default=1)
    return parser.parse_args()


def _cells(found: list[_Measured]) -> list[str]:
    def mean(value: Callable[[_Measured], float]) -> float:
        return float(np.mean([value(one) for one in found]))

    counts: dict[str, int] = {}
    for one in found:
        for model, frames in one.result.parts or ((None, 1),):
            name = (model or "none").removeprefix("small-")
            counts[name] = counts.get(name, 0) + frames
    whole = sum(counts.values())
    shares = sorted(counts.items(), key=lambda item: -item[1])
    ratios = (mean(lambda one: one.static[0].ratio), mean(lambda one: one.static[1].ratio))
    return [
        f"{mean(lambda one: one.input):.2f}",
        f"{mean(lambda one: one.gains[1]):+.2f}",
        f"{mean(lambda one: one.gains[0]):+.2f}",
        f"{mean(lambda one: one.static[0].before):.2f}",
        *(f"x{ratio:.2f}" for ratio in ratios),
        ", ".join(f"{name} {frames / whole:.0%}" for name, frames in shares),
    ]


def _measured(folder: Path, name: str, pair: Pair, count: int, sharpener: Sharpener) -> _Measured:
    clip, target = folder / "clip.mkv", folder / "out.mkv"
    truths = make_clip(clip, name, pair, count)
    before, gains, static = _lumas(clip), list[float](), list[Static]()
    for steady in (False, True):
        result = sharpener.video(clip, target, VideoOptions("ffv1", steady=steady))
        after = _lumas(target)
        gains.append(_psnr(after, truths) - _psnr(before, truths))
        static.append(static_difference(before, after))
    both = (gains[0], gains[1]), (static[0], static[1])
    return _Measured(_psnr(before, truths), *both, result)


def _lumas(path: Path) -> list[Luma]:
    with av.open(str(path)) as opened:
        return [plane_view(frame, 0).copy() for frame in opened.decode(video=0)]


def _psnr(made: Sequence[Luma], truths: Sequence[Luma]) -> float:
    pairs = zip(made, truths, strict=True)
    errors = [np.mean((one.astype(np.float32) - other) ** 2) for one, other in pairs]
    return float(np.mean([10 * np.log10(255**2 / max(float(e), 1e-3)) for e in errors]))


def _means(frame: Luma) -> npt.NDArray[np.float32]:
    height, width = (side // _BLOCK for side in frame.shape)
    blocks = frame[: height * _BLOCK, : width * _BLOCK].reshape(height, _BLOCK, width, _BLOCK)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


if __name__ == "__main__":
    raise SystemExit(run(main, program="flicker"))
