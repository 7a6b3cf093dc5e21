"""A student with a mixture of kernels beside what is installed, on what people's pictures lack.

    python -m benchmarks.mixture --model models/export
    python -m benchmarks.mixture --model models/export --photos ~/Pictures --count 10 --seed 2

Each row is a kind of picture: blurred, noisy or compressed at full size, or enlarged by some factor
and then cropped at any row and column. Sigmas, qualities and places are drawn by the seed and the
photo's name, so that nothing can be tuned to them. `installed` is `kdsharp sharpen` as it is, with
the model that each picture gets or none, `mixture` the one of `--model`, both in the precision
that users get; beside them Pillow's `UnsharpMask(1, 80)`. Regret is the gain lost against the best
that there is for each picture: doing nothing, any model that `installed` chooses among, or the
mixture. Photos are those of Set14, B100 and so on, as for benchmarks.robust.
"""

import argparse
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.common.command import parser_of
from benchmarks.common.machine import commit, made_by
from benchmarks.common.method import Pixels
from benchmarks.common.photos import find_datasets, photos_in
from kdsharp.color import luma_studio
from kdsharp.degrade import known_recipe
from kdsharp.degrade.recipes import run_steps
from kdsharp.errors import UserError, run
from kdsharp.files import write_json
from kdsharp.imageio.decode import read_rgb
from kdsharp.metrics import psnr
from kdsharp.progress import Progress
from kdsharp.routing.router import Choice
from kdsharp.runtime.engine import Engine
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.tables import markdown

__all__ = ["ROWS", "Gains", "degraded", "main", "measured", "table", "y_psnr"]

_Steps = list[dict[str, Any]]


def _blur(low: float, high: float, *then: dict[str, Any]) -> _Steps:
    return [{"blur": {"sigma": [low, high]}}, *then]


def _jpeg(low: int, high: int) -> dict[str, Any]:
    return {"jpeg": {"quality": [low, high], "chroma": "4:2:0"}}


def _enlarged(scale: float, *stored: dict[str, Any]) -> _Steps:
    ends = {"kernel": "bicubic"}
    return [{"shrink": {**ends, "scale": scale}}, *stored, {"enlarge": ends}]


ROWS: Mapping[str, _Steps] = {
    "sharp": [],
    "Gaussian 0.5-0.7": _blur(0.5, 0.7),
    "Gaussian 0.8-1.2": _blur(0.8, 1.2),
    "Gaussian 1.4-1.8": _blur(1.4, 1.8),
    "disc 1-2": [{"disc": {"radius": [1, 2]}}],
    "moved 2-4": [{"motion": {"length": [2, 4]}}],
    "Gaussian 0.8-1.2, JPEG 88-95": _blur(0.8, 1.2, _jpeg(88, 95)),
    "Gaussian 1.4-1.8, JPEG 80-90": _blur(1.4, 1.8, _jpeg(80, 90)),
    "noise 4-6": [{"noise": {"sigma": [4, 6]}}],
    "noise 12-18": [{"noise": {"sigma": [12, 18]}}],
    "JPEG 17-25": [_jpeg(17, 25)],
    "JPEG 35-45": [_jpeg(35, 45)],
    "JPEG 70-80": [_jpeg(70, 80)],
    "x1.25": _enlarged(1.25),
    "x1.5": _enlarged(1.5),
    "x2": _enlarged(2),
    "x2, JPEG 85-95 before": _enlarged(2, _jpeg(85, 95)),
    "x2, JPEG 50-70 before": _enlarged(2, _jpeg(50, 70)),
    "x3": _enlarged(3),
}
"""Recipes by what the table calls them."""

INSTALLED, MIXTURE, UNSHARP, BEST = "installed", "mixture", "unsharp", "best"
_MULTIPLE, _LARGEST = 12, 512
_HARM = 0.05  # dB
_SAME = 60.0  # dB that stand for the same
_LARGE = (3000, 4000, 3)  # 12 megapixels
_TIMES = 7

Gains = dict[str, float]
"""Of one picture: the input's Y-PSNR, and what each way gains over it, in dB."""


def main() -> None:
    """Print the table."""
    chosen = _arguments()
    installed = Sharpener(threads=1, precision=chosen.precision)
    mixture = Sharpener(chosen.model, threads=1, precision=chosen.precision)
    paths = _photos(chosen)
    found: dict[str, list[Gains]] = {row: [] for row in chosen.rows}
    with Progress(len(paths), "mixture", "photos", lines=True) as progress:
        for path in paths:
            for row in chosen.rows:
                low, high = degraded(path, row, chosen.seed)
                found[row].append(measured(low, high, installed, mixture))
            progress.step()
    if chosen.json:
        write_json(chosen.json, found)
    print(made_by("mixture"), f"Commit {commit()}.", f"{len(paths)} photos.\n")
    print(table(found), _speed(mixture.engine), sep="\n\n")


def _arguments() -> argparse.Namespace:
    parser = parser_of("mixture", __doc__)
    parser.add_argument("--model", type=Path, required=True, help="a model folder")
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="folders instead")
    parser.add_argument("--sets", type=Path, help="a folder of folders: Set14, B100")
    parser.add_argument("--on", nargs="*", default=["Set14"], help="which of them")
    parser.add_argument("--count", type=int, help="of the photos of each, evenly")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS, metavar="ROW")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    parser.add_argument("--precision", choices=("fp32", "int8", "auto"), default="auto")
    parser.add_argument("--json", type=Path, help="every number of every photo")
    return parser.parse_args()


def _photos(chosen: argparse.Namespace) -> list[Path]:
    if chosen.photos:
        sets = {str(folder): photos_in(folder) for folder in chosen.photos}
    else:
        known, _ = find_datasets(chosen.sets)
        sets = {t: list(paths) for t, paths in known.items() if t.split(" (")[0] in chosen.on}
    paths = [path for found in sets.values() for path in _evenly(found, chosen.count)]
    if not paths:
        raise UserError("no photos: name a folder with --photos, or sets with --sets and --on")
    return paths


def _evenly(paths: Sequence[Path], count: int | None) -> Sequence[Path]:
    return paths if count is None else paths[:: max(len(paths) // count, 1)][:count]


def degraded(path: Path, row: str, seed: int) -> tuple[Pixels, Pixels]:
    """The photo after `row`, and before it: its middle, 512 pixels a side at most.

    What was enlarged begins at any row and column.
    """
    key = hashlib.sha256(f"{seed} {row} {path.stem}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(key[:8]))
    image = read_rgb(path)
    width, height = (min(side, _LARGEST) // _MULTIPLE * _MULTIPLE for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    image = image.crop((left, top, left + width, top + height))
    recipe = known_recipe(row, {row: ROWS[row]}) if ROWS[row] else known_recipe("sharp")
    low = run_steps(recipe.draw(random, 2), image)
    y, x = random.integers(4, size=2) if row[0] == "x" else (0, 0)
    return np.asarray(low)[y:, x:], np.asarray(image)[y:, x:]


def measured(low: Pixels, high: Pixels, installed: Sharpener, mixture: Sharpener) -> Gains:
    """What each way gains on one picture."""
    before = y_psnr(low, high)
    mask = Image.fromarray(low).filter(ImageFilter.UnsharpMask(1, 80, 0))
    gains = {UNSHARP: np.asarray(mask)}
    gains |= {INSTALLED: installed.array(low), MIXTURE: mixture.array(low)}
    found = {name: y_psnr(sharp, high) - before for name, sharp in gains.items()}
    router = installed.router
    origin = getattr(router.choose(low), "origin", (0, 0))
    each = []
    for name in router.cards:
        out = low.copy()
        router.fitted(Choice(name, origin)).array(low, out)
        each.append(y_psnr(out, high) - before)
    best = max(0.0, found[INSTALLED], found[MIXTURE], *each)
    return {"input": before, **found, BEST: best}


def table(found: Mapping[str, Sequence[Gains]]) -> str:
    """Means over the photos, the worst in brackets; then regret and the share made worse."""
    heads = ["", "input", *(f"{name} (worst)" for name in (UNSHARP, INSTALLED, MIXTURE))]
    heads += [f"regret, {INSTALLED}", f"regret, {MIXTURE}", f"made worse, {INSTALLED}, {MIXTURE}"]
    every = [gains for row in found.values() for gains in row]
    return markdown(heads, [_row(n, row) for n, row in [*found.items(), ("all", every)]])


def _row(name: str, row: Sequence[Gains]) -> list[str]:
    by = {key: np.array([gains[key] for gains in row]) for key in row[0]}
    cells = [
        f"{by[way].mean():+.2f} ({by[way].min():+.2f})" for way in (UNSHARP, INSTALLED, MIXTURE)
    ]
    regret = [f"{(by[BEST] - by[way]).mean():.2f}" for way in (INSTALLED, MIXTURE)]
    worse = ", ".join(f"{(by[way] < -_HARM).mean():.0%}" for way in (INSTALLED, MIXTURE))
    return [name, f"{by['input'].mean():.2f}", *cells, *regret, worse]


def _speed(engine: Engine) -> str:
    """What a photo costs before the first of its pixels is sharpened."""
    mixing = engine.mixing
    if mixing is None:
        return "The model has no mixture."
    picture = np.random.default_rng(1).integers(0, 256, _LARGE, np.uint8)
    sets = engine.card.mixture.sets if engine.card.mixture else 1
    even = (1 / sets,) * (sets - 1)
    look = [_seconds(mixing.look, picture) for _ in range(_TIMES)]
    took = f"A look at 12 megapixels takes {np.median(look) * 1000:.1f} ms of one core"
    if engine.precision == "int8":
        return f"{took}. benchmarks.code_book times the codes."
    fold = [_seconds(mixing.fold, (*even, n / _TIMES)) for n in range(_TIMES)]  # each anew
    return f"{took}, and mixing kernels for {engine.name} {np.median(fold) * 1000:.1f} ms."


def _seconds(call: Callable[[Any], object], given: object) -> float:
    began = time.process_time()
    call(given)
    return time.process_time() - began


def y_psnr(output: Pixels, truth: Pixels) -> float:
    """PSNR on luma without two pixels at each side, 60 dB at most."""
    inner = (slice(2, -2),) * 2
    return min(psnr(luma_studio(output)[inner], luma_studio(truth)[inner]), _SAME)


if __name__ == "__main__":
    raise SystemExit(run(main, program="mixture"))
