"""Which model a picture gets: train the network that tells how it lost its quality, and score it.

    python -m benchmarks.classifier --photos DIR --train  # the network in kdsharp/weights
    python -m benchmarks.classifier --photos DIR --gains  # and what each model gains
    python -m benchmarks.classifier --photos OTHERS       # how well they do elsewhere

Gains are those of the models that ship, of size small. Each part of a photo is degraded by one of
the recipes of `pipeline/choice/parts.py`.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.command import parser_of
from kdsharp.errors import UserError, run
from kdsharp.files import write_text
from kdsharp.imageio.decode import SUFFIXES
from kdsharp.progress import Progress
from kdsharp.routing.classifier import FILE, GRAPH, degradation_shares, degradations
from kdsharp.runtime.catalog import find_models
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.tables import markdown
from pipeline.choice.gains import mean_gains, measured
from pipeline.choice.parts import DEGRADATIONS, Part, draw_parts

__all__ = [
    "SIZE",
    "drawn",
    "family",
    "main",
    "report",
    "train",
    "write_file",
    "write_gains",
]

SIZE = "small"
_TRAIN, _GAINS, _TEST = 12000, 1800, 600  # parts


def main() -> None:
    """Train, measure the gains, or print how well that does."""
    parser = parser_of("classifier", __doc__)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of sharp photos")
    parser.add_argument("--train", action="store_true", help="the network, about 30 minutes")
    parser.add_argument("--gains", action="store_true", help="measure what each model gains")
    parser.add_argument("--parts", type=int, help=f"of photos; else {_TRAIN}, {_GAINS}, {_TEST}")
    parser.add_argument("--steps", type=int, help="of the training; else those of the recipe")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    photos = sorted(p for p in chosen.photos.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not photos:
        raise UserError(f"{chosen.photos}: holds no photos")
    if chosen.train:
        train(drawn(photos, chosen.parts or _TRAIN, 1, chosen.workers), chosen.steps)
    if chosen.gains:
        write_gains(drawn(photos, chosen.parts or _GAINS, 2, chosen.workers), chosen.workers)
    if not (chosen.train or chosen.gains):
        report(drawn(photos, chosen.parts or _TEST, 3, chosen.workers), chosen.workers)


def drawn(photos: Sequence[Path], count: int, seed: int, workers: int) -> list[Part]:
    """Parts of `photos`, with progress."""
    with Progress(count, "Degrading") as progress:
        return draw_parts(photos, count, seed, workers, progress.step)


def train(parts: Sequence[Part], steps: int | None) -> None:
    """Write the network and the degradations it recognises; the gains stay as they were."""
    from kdsharp.train.classifier import Pictures, Recipe, train_classifier, write_classifier

    # Parts of the same photos, each degraded anew: enough to choose among epochs.
    learned, held_out = (
        Pictures([part.low for part in chosen], np.array([part.label for part in chosen]))
        for chosen in (parts[len(parts) // 10 :], parts[: len(parts) // 10])
    )
    with tempfile.TemporaryDirectory(prefix="kdsharp-") as folder:
        network = train_classifier(
            learned,
            held_out,
            Recipe() if steps is None else Recipe(steps=steps),
            Path(folder),
            "degradations",
            lambda epoch: print(f"epoch {epoch.number}: {epoch.val_psnr_y:.1f} % right"),
        )
    write_classifier(network, GRAPH)
    gains = json.loads(FILE.read_text(encoding="utf-8"))["gains"] if FILE.exists() else []
    write_file(gains)


def write_file(gains: Sequence[Mapping[str, object]]) -> None:
    """The file beside the network: the degradations, and a line with the gains of each model."""
    table = ",\n".join(f"    {json.dumps(row)}" for row in gains)
    parts = [f'"degradations": {json.dumps(list(DEGRADATIONS))}', f'"size": {json.dumps(SIZE)}']
    text = ",\n  ".join([*parts, f'"gains": [\n{table}\n  ]'])
    write_text(FILE, f"{{\n  {text}\n}}\n")


def write_gains(parts: Sequence[Part], workers: int) -> None:
    """The mean gain of each model on each degradation, and which model that was."""
    models = list(family().values())
    table = []
    for one, gains in zip(models, mean_gains(parts, models, workers), strict=True):
        about = {
            "degradation": one.card.degradation,
            "scale": one.card.scale,
            "sha256": one.card.sha256,
        }
        table.append({**about, "gains": [round(float(gain), 3) for gain in gains]})
    write_file(table)


def family() -> dict[str, Sharpener]:
    """All models that ship of `SIZE` by their names, in fp32 on one thread."""
    how: dict[str, Any] = {"threads": 1, "precision": "fp32"}
    return {folder.name: Sharpener(folder, **how) for folder in find_models(SIZE)}


def report(parts: Sequence[Part], workers: int) -> None:
    """For each degradation: how often it is recognised, what the choice gains, and the best one."""
    models, labels = family(), np.array([part.label for part in parts])
    names, gains = list(models), measured(parts, list(models.values()), workers)
    sharpener = Sharpener(SIZE, threads=1, precision="fp32")
    gains = np.c_[gains, np.zeros(len(parts))]
    began = time.process_time()
    taken = [sharpener.choose(part.low) for part in parts]
    took = (time.process_time() - began) / len(parts)
    index = [names.index(name) if name else -1 for name in taken]
    told = np.array([int(np.argmax(degradation_shares(part.low))) for part in parts])
    auto = gains[np.arange(len(parts)), index]
    rows = []
    assert degradations() == list(DEGRADATIONS)
    for label, degradation in [*enumerate(DEGRADATIONS), (-1, "all")]:
        here = labels == label if label >= 0 else np.full(len(labels), True)
        if not here.any():
            continue
        best = gains[here].mean(axis=0)
        which = [*names, "none"][int(np.argmax(best))]
        bad = float((auto[here] < -0.05).mean())
        right = float((told[here] == labels[here]).mean())
        cells = [degradation, str(here.sum()), f"{right:.0%}", f"{auto[here].mean():+.2f}"]
        rows.append([*cells, f"{best.max():+.2f} ({which})", f"{bad:.0%}"])
    gained = ("chosen, dB", "best model for the degradation, dB", "made worse")
    print(markdown(["degradation", "parts", "told", *gained], rows))
    print(f"\nA choice takes {1000 * took:.0f} ms of one core.")


if __name__ == "__main__":
    sys.exit(run(main, program="classifier"))
