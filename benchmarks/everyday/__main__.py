"""What people's pictures lack, and what `kdsharp sharpen` as installed does about it.

    python -m benchmarks.everyday
    python -m benchmarks.everyday --seed 2 --photos ~/Pictures --count 30
    python -m benchmarks.everyday --model models/export --rows sharp "noise 4-6"

Each row is a kind of picture: blurred, noisy or compressed at full size, or enlarged by some factor
and then cropped at any row and column; drawings and text stand for screenshots. Sigmas, qualities
and places are drawn by the seed and the photo's name, so that nothing can be tuned to them; a
release is judged by another seed. `installed` is the model that each picture gets, or none, in the
precision that users get. Beside it are each `--model`, Pillow's unsharp mask in two settings,
FFmpeg's cas, and OpenCV's denoiser where that is installed. Regret is the gain lost against the
best that there is for each picture: doing nothing, a `--model`, or any that is chosen among. Photos
are those of Set14, B100 and so on, as for benchmarks.robust.
"""

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.common.command import parser_of
from benchmarks.common.machine import commit, made_by
from benchmarks.common.method import Pixels
from benchmarks.common.photos import find_datasets, photos_in
from benchmarks.everyday.rows import ROWS, SCREEN, degraded
from benchmarks.everyday.table import BEST, GROUND, INPUT, Numbers, goals, rows_table
from benchmarks.everyday.ways import INSTALLED, RIVALS, Way, each_model, load_ways, mixing_speed
from kdsharp.color import luma_studio
from kdsharp.errors import UserError, run
from kdsharp.files import write_json
from kdsharp.metrics import psnr
from kdsharp.progress import Progress
from kdsharp.routing.router import Router

__all__ = ["main", "measured"]

_SAME = 60.0  # dB that stand for the same
_FLAT = 4  # pixels around one that is flat ground


def main() -> None:
    """Print the goals and the rows, for each set."""
    chosen = _arguments()
    ways, router = load_ways(chosen.precision, chosen.model)
    sets = _sets(chosen)
    jobs = [(title, row, path) for title, paths in sets.items() for row in chosen.rows
            for path in paths]  # fmt: skip
    found: dict[str, dict[str, list[Numbers]]] = {
        title: {row: [] for row in chosen.rows} for title in sets
    }
    with (
        Progress(len(jobs), "everyday", "pictures", lines=True) as progress,
        ThreadPoolExecutor(chosen.workers) as pool,
    ):

        def one(job: tuple[str, str, Path]) -> Numbers:
            low, high = degraded(job[2], job[1], chosen.seed)
            numbers = measured(low, high, ways, router, drawing=job[1].startswith(SCREEN))
            progress.step()
            return numbers

        for (title, row, _), made in zip(jobs, pool.map(one, jobs), strict=True):
            found[title][row].append(made)
    if chosen.json:
        write_json(chosen.json, found)
    print(made_by("everyday"), f"Commit {commit()}.", f"Seed {chosen.seed}.")
    for title, rows in found.items():
        _print(title, rows, len(sets[title]))
    print("", *filter(None, map(mixing_speed, chosen.model)), sep="\n")


def _print(title: str, found: Mapping[str, Sequence[Numbers]], count: int) -> None:
    print(f"\n### {title}, {count} photos\n\n{goals(found)}\n\n{rows_table(found)}")
    sharp = [numbers for row in found.values() for numbers in row]
    kept = [n[INSTALLED] >= -0.05 for n in sharp]
    print(f"\nOf {len(kept)} pictures {np.mean(kept):.1%} were not made worse.")


def _arguments() -> argparse.Namespace:
    parser = parser_of("everyday", __doc__)
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="folders instead")
    parser.add_argument("--sets", type=Path, help="a folder of folders: Set14, B100")
    parser.add_argument("--on", nargs="*", default=["Set14"], help="which of them")
    parser.add_argument("--count", type=int, help="of the photos of each, evenly")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS, metavar="ROW")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    parser.add_argument("--model", nargs="*", default=[], help="models in columns of their own")
    parser.add_argument("--precision", choices=("fp32", "int8", "auto"), default="auto")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, help="every number of every picture")
    return parser.parse_args()


def _sets(chosen: argparse.Namespace) -> dict[str, Sequence[Path]]:
    if chosen.photos:
        sets = {folder.resolve().name: photos_in(folder) for folder in chosen.photos}
    else:
        known, _ = find_datasets(chosen.sets)
        sets = {t: list(paths) for t, paths in known.items() if t.split(" (")[0] in chosen.on}
    thinned = {title: _evenly(paths, chosen.count) for title, paths in sets.items() if paths}
    if not thinned:
        raise UserError("no photos: name a folder with --photos, or sets with --sets and --on")
    return thinned


def _evenly(paths: Sequence[Path], count: int | None) -> Sequence[Path]:
    return paths if count is None else paths[:: max(len(paths) // count, 1)][:count]


def measured(
    low: Pixels, high: Pixels, ways: Mapping[str, Way], router: Router, *, drawing: bool
) -> Numbers:
    """What each way gains on one picture; of a `drawing` also what happens to flat ground."""
    before = _psnr(low, high)
    made = {name: way(low) for name, way in ways.items()}
    gains = {name: _psnr(sharp, high) - before for name, sharp in made.items()}
    each = [_psnr(sharp, high) - before for sharp in each_model(router, low)]
    ours = [gain for name, gain in gains.items() if name not in RIVALS]
    best = max(0.0, *ours, *each)
    ground = _off(made[INSTALLED], high) if drawing else 0.0
    return {INPUT: before, **gains, BEST: best, GROUND: ground}


def _off(output: Pixels, truth: Pixels) -> float:
    """The largest error where all pixels around are alike, in levels."""
    flat = np.ones(truth.shape[:2], bool)
    for shift in range(-_FLAT, _FLAT + 1):
        for axis in (0, 1):
            flat &= (np.roll(truth, shift, axis) == truth).all(axis=2)
    off = np.abs(output.astype(int) - truth).max(axis=2)
    return float(off[flat].max(initial=0))


def _psnr(output: Pixels, truth: Pixels) -> float:
    inner = (slice(2, -2),) * 2
    return min(psnr(luma_studio(output)[inner], luma_studio(truth)[inner]), _SAME)


if __name__ == "__main__":
    raise SystemExit(run(main, program="everyday"))
