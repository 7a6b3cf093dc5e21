"""Which model a picture gets: train the network that tells how it lost its quality, and count.

    python benchmarks/kinds.py --photos data/photos --train   # writes kdsharp/weights/kinds.onnx
    python benchmarks/kinds.py --photos data/photos --gains   # and kinds.json beside it
    python benchmarks/kinds.py --photos OTHERS                # how well they do on other photos

Gains are those of the models that ship, of size small. Each part of a photo is degraded by one of
the recipes of `benchmarks/kinds_parts/recipes.py`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

import numpy as np
import numpy.typing as npt

from benchmarks.kinds_parts.recipes import KINDS
from benchmarks.kinds_parts.samples import Part, draw_parts
from kdsharp.auto import AutoSharpener, expected_gains
from kdsharp.errors import UserError, run
from kdsharp.files import write_text
from kdsharp.images import SUFFIXES
from kdsharp.kinds import FILE, GRAPH, gains_by_kind, kind_shares, kinds
from kdsharp.model import family_of
from kdsharp.progress import Progress
from kdsharp.sharpen import Sharpener

SIZE = "small"
BORDER = 2  # pixels at each edge that PSNR leaves out
LARGEST = 4.0  # dB: gains count no more than that, up or down
TRAIN, GAINS, TEST = 6000, 1500, 600  # parts


def main() -> None:
    """Train, measure the gains, or print how well that does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="a folder of sharp photos")
    parser.add_argument("--train", action="store_true", help="the network, about 15 minutes")
    parser.add_argument("--gains", action="store_true", help="measure what each model gains")
    parser.add_argument("--parts", type=int, help=f"of photos; else {TRAIN}, {GAINS}, {TEST}")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    photos = sorted(p for p in chosen.photos.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not photos:
        raise UserError(f"{chosen.photos}: holds no photos")
    if chosen.train:
        train(drawn(photos, chosen.parts or TRAIN, 1, chosen.workers))
    if chosen.gains:
        write_gains(drawn(photos, chosen.parts or GAINS, 2, chosen.workers), chosen.workers)
    if not (chosen.train or chosen.gains):
        report(drawn(photos, chosen.parts or TEST, 3, chosen.workers), chosen.workers)


def drawn(photos: Sequence[Path], count: int, seed: int, workers: int) -> list[Part]:
    """Parts of `photos`, with progress."""
    with Progress(count, "Degrading") as progress:
        return draw_parts(photos, count, seed, workers, progress.step)


def train(parts: Sequence[Part]) -> None:
    """Write the network, and which kinds it tells; the gains are those from before."""
    from kdsharp.train.kinds import Recipe, train_kinds, write_kinds

    labels = np.array([part.label for part in parts])
    network = train_kinds([part.low for part in parts], labels, Recipe(), print)
    write_kinds(network, GRAPH)
    gains = json.loads(FILE.read_text(encoding="utf-8"))["gains"] if FILE.exists() else {}
    write_file(gains)


def write_file(gains: Mapping[str, Sequence[float]]) -> None:
    """The kinds, and the gains of each model on a line of its own."""
    lines = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in gains.items()]
    table = ",\n".join(f"  {line}" for line in lines)
    text = f'{{\n  "kinds": {json.dumps(list(KINDS))},\n  "gains": {{\n{table}\n  }}\n}}\n'
    write_text(FILE, text)


def write_gains(parts: Sequence[Part], workers: int) -> None:
    """The mean gain of each model on each kind."""
    sharpeners, labels = family(), np.array([part.label for part in parts])
    if missing := set(range(len(KINDS))) - set(labels):
        raise UserError(f"no part is {list(KINDS)[min(missing)]}: raise --parts from {len(parts)}")
    gains = measured(parts, list(sharpeners.items()), workers).clip(-LARGEST, LARGEST)
    table = {
        name.partition("-")[2]: [
            round(float(gains[labels == label, index].mean()), 3) for label in range(len(KINDS))
        ]
        for index, name in enumerate(sharpeners)
    }
    write_file(table)


def family() -> AutoSharpener:
    """All models that ship of `SIZE`, in fp32 on one thread."""
    return AutoSharpener.of(family_of(Path(SIZE)), threads=1, precision="fp32")


def measured(
    parts: Sequence[Part], named: Sequence[tuple[str, Sharpener]], workers: int
) -> npt.NDArray[np.float64]:
    """(parts, models): gains in dB of Y-PSNR."""
    with Progress(len(parts), "Sharpening") as progress, ThreadPoolExecutor(workers) as pool:

        def gains(part: Part) -> list[float]:
            base = psnr(part.low, part.high)
            found = [psnr(one.array(part.low), part.high) - base for _, one in named]
            progress.step()
            return found

        return np.array(list(pool.map(gains, parts)))


def psnr(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Of luma in studio range, in dB; at most 60, as of pictures that are the same."""
    inside = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    step = (one[inside].astype(np.float64) - other[inside]) * 219 / 255
    return min(float(10 * np.log10(255**2 / max(np.mean(step**2), 1e-9))), 60.0)


def report(parts: Sequence[Part], workers: int) -> None:
    """For each kind: how often it is told, what the choice gains, and what the best one would."""
    sharpeners, labels = family(), np.array([part.label for part in parts])
    names, gains = list(sharpeners), measured(parts, list(sharpeners.items()), workers)
    gains = np.c_[gains, np.zeros(len(parts))]
    began = time.process_time()
    taken = [sharpeners.best(expected_gains(part.low)) for part in parts]
    took = (time.process_time() - began) / len(parts)
    index = [names.index(name) if name else -1 for name in taken]
    told = np.array([int(np.argmax(kind_shares(part.low))) for part in parts])
    auto = gains[np.arange(len(parts)), index]
    print("| kind | parts | told | chosen, dB | best model for the kind, dB | made worse |")
    print("| --- | --- | --- | --- | --- | --- |")
    assert kinds() == list(KINDS)
    assert set(gains_by_kind()) == {name.partition("-")[2] for name in names}
    for label, kind in [*enumerate(KINDS), (-1, "all")]:
        here = labels == label if label >= 0 else np.full(len(labels), True)
        if not here.any():
            continue
        best = gains[here].mean(axis=0)
        which = [*names, "none"][int(np.argmax(best))]
        bad = float((auto[here] < -0.05).mean())
        right = float((told[here] == labels[here]).mean())
        print(
            f"| {kind} | {here.sum()} | {right:.0%} | {auto[here].mean():+.2f} | "
            f"{best.max():+.2f} ({which}) | {bad:.0%} |"
        )
    print(f"\nA choice takes {1000 * took:.0f} ms of one core.")


if __name__ == "__main__":
    sys.exit(run(main, program="kinds"))
