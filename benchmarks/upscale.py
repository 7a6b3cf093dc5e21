"""Enlarge and sharpen: in two steps with rounding between them, without, and in one file.

    python -m benchmarks.upscale --photos DIR
    python -m benchmarks.upscale --models small-x2 --threads 1 --rounds 2     # a quick look

Quality is PSNR on Y of the sets in DIR (`$KDSHARP_SHARED_DATA`), shrunk by Pillow's bicubic. Times
are of one luma plane that becomes 1280x720, bicubic included, in OpenVINO where it is installed;
all ways take turns, so that another program on the machine disturbs all alike. Beside the time by
the clock stands that of the CPU, which other programs disturb less.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common.command import log, parser_of
from benchmarks.common.machine import Others, cpu, made_by
from benchmarks.common.photos import Sets, find_datasets, samples, score_set
from kdsharp.runtime.catalog import find_model
from kdsharp.runtime.engine import Engine, load_engine, load_upscaler
from kdsharp.runtime.enlarge import Enlarger
from kdsharp.runtime.hardware import best_engine
from kdsharp.runtime.model import LoadedModel
from kdsharp.tables import markdown

__all__ = ["main"]

_HEIGHT, _WIDTH = 720, 1280
_ROUNDED, _FLOAT, _ONE = "two steps, rounded", "two steps", "one file"

Enlarge = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Print one table: a row for each model, precision and way."""
    parser = parser_of("upscale", __doc__)
    parser.add_argument("--models", nargs="+", default=["nano-x2", "small-x2", "large-x2"])
    parser.add_argument("--photos", type=Path, help="a folder of sets: Set5, Set14, B100 ...")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    sets, _ = find_datasets(chosen.photos)
    ways = [
        (model, precision, way)
        for model in chosen.models
        for precision in ("fp32", "int8")
        for way in (_ROUNDED, _FLOAT, _ONE)
        if way != _ONE or load_upscaler(_engine(model, precision, 1)) is not None
    ]
    others = Others()
    with others:
        times = _times(ways, chosen)
    rows = []
    for model, precision, way in ways:
        quality = _quality(_way(_engine(model, precision, None), way), model, sets)
        taken = [times[model, precision, way, threads] for threads in chosen.threads]
        rows.append((model, precision, way, *quality, *taken))
        log("  ".join(map(str, rows[-1])))
    heads = [*sets, *(f"ms / CPU ms, threads: {threads}" for threads in chosen.threads)]
    print(made_by("upscale"))
    print(f"{cpu()}, {best_engine()}; other programs took {others.share:.0%} of the machine.\n")
    print(markdown(("model", "precision", "way", *heads), rows))


def _engine(model: str, precision: str, threads: int | None) -> Engine:
    return load_engine(find_model(model), "auto", threads, precision)


def _way(engine: Engine, way: str) -> Enlarge:
    """RGB (H, W, 3) or grey (H, W) to the same, larger."""
    model = LoadedModel(engine if way == _ONE else dataclasses.replace(engine, folder=None))
    enlarger, times = Enlarger(model), engine.card.scale

    def enlarge(small: np.ndarray) -> np.ndarray:
        shape = (small.shape[0] * times, small.shape[1] * times, *small.shape[2:])
        out = np.empty(shape, np.uint8)
        if way != _ROUNDED:
            enlarger.array(small, out)
            return out
        large = Image.fromarray(small).resize(shape[1::-1], Image.Resampling.BICUBIC)
        model.array(np.asarray(large), out)
        return out

    return enlarge


def _quality(enlarge: Enlarge, model: str, sets: Sets) -> list[str]:
    scale = load_engine(find_model(model)).card.scale
    return [
        f"{score_set(samples(paths, scale), lambda photo: enlarge(photo.small), scale).psnr:.3f}"
        for paths in sets.values()
    ]


def _times(
    ways: Sequence[tuple[str, str, str]], chosen: argparse.Namespace
) -> Mapping[tuple[str, str, str, int], str]:
    """Medians of milliseconds: by the clock, and of all cores that this process had."""
    calls = {
        (*way, threads): _call(*way, threads=threads) for way in ways for threads in chosen.threads
    }
    taken: dict[tuple[str, str, str, int], list[tuple[float, float]]] = {key: [] for key in calls}
    for number in range(chosen.rounds + 1):  # the first is not counted: engines finish their work
        for key, call in calls.items():
            clock, cpu_time = time.perf_counter(), time.process_time()
            call()
            spent = (time.perf_counter() - clock, time.process_time() - cpu_time)
            taken[key] += [spent] if number else []
    return {
        key: " / ".join(
            f"{1000 * statistics.median(column):.0f}" for column in zip(*spent, strict=True)
        )
        for key, spent in taken.items()
    }


def _call(model: str, precision: str, way: str, *, threads: int) -> Callable[[], object]:
    engine = _engine(model, precision, threads)
    shape = (_HEIGHT // engine.card.scale, _WIDTH // engine.card.scale)
    small = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    enlarge = _way(engine, way)
    return lambda: enlarge(small)


if __name__ == "__main__":
    main()
