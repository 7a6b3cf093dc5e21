"""Which quantiser: ours beside those of ONNX Runtime and NNCF, on the same student and patches.

    python -m benchmarks.quantise --photos DIR               # DIR holds Set5, Set14 ...
    python -m benchmarks.quantise --model large-x2 --rounds 5   # also times, on an idle machine

Prints how many dB of Y-PSNR each loses against the fp32 file, in each engine that reads what it
makes, and how large that is; with `--rounds` the time of a frame of 720p, medians of ways that take
turns. Patches to calibrate on come from the photos in `--calibrate`, else from scikit-image's. NNCF
is left out where it is not installed: `pip install nncf`.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.command import log, parser_of
from benchmarks.common.machine import Others, cpu, made_by, versions
from benchmarks.common.photos import Sets, find_datasets, photos_in, samples, score_set
from benchmarks.common.timing import Cell, run_rounds
from benchmarks.quantise.ways import Given, Way, calibration, student_of, ways
from kdsharp.errors import UserError, run
from kdsharp.runtime.card import Card, read_card
from kdsharp.runtime.catalog import find_model
from kdsharp.runtime.engine import ENGINES, Engine
from kdsharp.runtime.openvino import import_openvino
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.data.sample import Sample
from pipeline.params import load_params

__all__ = [
    "FLOAT",
    "Made",
    "arguments",
    "files",
    "main",
    "photos_to_calibrate",
    "quality",
    "table",
    "timed",
]

_PACKAGES = ("onnxruntime", "openvino", "nncf", "torch")
FLOAT = "fp32"
_FRAME = (720, 1280)


@dataclass(frozen=True)
class Made:
    """A file in one engine; `pixels` says that it takes 8 bit."""

    name: str
    engine: str
    path: Path
    pixels: bool

    def load(self, card: Card, threads: int | None = None) -> Engine:
        """The file, ready to run."""
        if self.path.suffix == ".xml":
            infer = _of_openvino(self.path, threads)
            return Engine(self.engine, card, infer)
        loaded = ENGINES[self.engine](self.path, card.input, card.output, threads, 1)
        return Engine(self.engine, card, loaded.infer, "int8" if self.pixels else FLOAT)

    @property
    def size(self) -> int:
        """Bytes; OpenVINO's form is two files."""
        return sum(path.stat().st_size for path in self.path.parent.glob(f"{self.path.stem}.*"))


def main() -> None:
    """Quantise, score, time if asked, and print the table."""
    chosen = arguments()
    folder = find_model(chosen.model)
    card = read_card(folder)
    sets, said = find_datasets(chosen.photos)
    if not sets:
        raise UserError(said)
    planes_NCHW = calibration(photos_to_calibrate(chosen.calibrate), card, chosen.patches)
    given = Given(student_of(folder, card), folder / card.file, planes_NCHW)
    listed, notes = ways()
    with tempfile.TemporaryDirectory() as made:
        rows = files(given, listed, Path(made))
        scores = {row: quality(row, card, sets) for row in rows}
        others = Others()
        with others:
            times = timed(rows, card, chosen.rounds) if chosen.rounds else {}
        print(f"{made_by('quantise')}\n")
        print(
            f"`{card.name}`, {len(planes_NCHW)} patches; {cpu()}; {versions(_PACKAGES)}. {said}\n"
        )
        print("\n".join(table(rows, scores, times, list(sets))))
    for note in notes:
        print(f"\n{note}")
    if times:
        print(f"\nOthers took {others.share:.0%} of the machine while times were taken.")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = parser_of("quantise", __doc__)
    parser.add_argument("--model", type=Path, help="a folder or one that ships; else the default")
    parser.add_argument("--photos", type=Path, help="a folder of folders: Set5, Set14 ...")
    parser.add_argument("--calibrate", type=Path, help="photos; else those of scikit-image")
    parser.add_argument("--patches", type=int, help="else export.calibration of params.yaml")
    parser.add_argument("--rounds", type=int, default=0, help="of times; none when not given")
    chosen = parser.parse_args()
    chosen.patches = load_params().export.calibration if chosen.patches is None else chosen.patches
    if chosen.patches < 1 or chosen.rounds < 0:
        parser.error("--patches must be 1 or more, --rounds 0 or more")
    return chosen


def photos_to_calibrate(folder: Path | None) -> Sequence[Path]:
    """Those in `folder`, else the training photos of the sample."""
    if folder is None:
        return [c.path for c in Sample().candidates(Path()) if c.split == "train"]
    found = photos_in(folder)
    if not found:
        raise UserError(f"--calibrate {folder}: holds no photos")
    return found


def files(given: Given, listed: Mapping[str, Way], folder: Path) -> list[Made]:
    """The fp32 file and what each quantiser makes, in each engine that reads it."""
    engines = [name for name in ENGINES if find_spec(name)]
    rows = [Made(FLOAT, engine, given.path, pixels=False) for engine in engines]
    for number, (name, way) in enumerate(listed.items()):
        own = folder / str(number)
        own.mkdir()
        log(f"quantising: {name}")
        with contextlib.redirect_stdout(sys.stderr):  # the libraries tell what they do
            path = way.make(given, own)
        rows += [Made(name, e, path, way.pixels) for e in engines if way.only in (None, e)]
    return rows


def quality(row: Made, card: Card, sets: Sets) -> list[float]:
    """Y-PSNR (dB) on each set."""
    log(f"scoring: {row.name} in {row.engine}")
    sharpen = Sharpener(engine=row.load(card)).array
    return [
        score_set(
            list(samples(paths, card.scale)), lambda photo: sharpen(photo.low), card.scale
        ).psnr
        for paths in sets.values()
    ]


def timed(rows: Sequence[Made], card: Card, rounds: int) -> dict[Made, float]:
    """Milliseconds of a frame, medians."""

    def prepare(row: Made) -> Callable[[], object]:
        infer = row.load(card).infer
        levels_NCHW = np.random.default_rng(0).integers(
            0, 256, (1, card.input.channels, *_FRAME), np.uint8
        )
        frame_NCHW = levels_NCHW if row.pixels else levels_NCHW.astype(np.float32) / 255
        return lambda: infer(frame_NCHW)

    taken = run_rounds([Cell(row, partial(prepare, row)) for row in rows], rounds)
    return {row: timing.median for row, timing in taken.items()}


def table(
    rows: Sequence[Made],
    scores: Mapping[Made, Sequence[float]],
    times: Mapping[Made, float],
    titles: Sequence[str],
) -> list[str]:
    """Lines of Markdown: PSNR of the fp32 file, and what each of the others loses against it."""
    heads = ["quantiser", "engine", "bytes", *titles, *(["ms at 720p"] if times else [])]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    whole = {row.engine: scores[row] for row in rows if row.name == FLOAT}
    for row in rows:
        found = [
            f"{value:.3f} dB" if row.name == FLOAT else f"{value - best:+.3f}"
            for value, best in zip(scores[row], whole[row.engine], strict=True)
        ]
        size = row.size if row.name != FLOAT else row.path.stat().st_size
        time = [f"{times[row]:.1f}"] if times else []
        lines.append(f"| {' | '.join([row.name, row.engine, f'{size:,}', *found, *time])} |")
    return lines


def _of_openvino(path: Path, threads: int | None) -> Any:
    """What OpenVINO's own form computes, with the options of `kdsharp.runtime.openvino`."""
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    compiled = import_openvino().Core().compile_model(path, "CPU", options)
    return lambda planes_NCHW: compiled.create_infer_request().infer([planes_NCHW])[0]


if __name__ == "__main__":
    sys.exit(run(main, program="quantise"))
