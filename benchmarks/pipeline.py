"""How fast the pipeline is: one line a goal, medians, the ratio measured in one run.

    python -m benchmarks.pipeline               # about two minutes, after a first `dvc repro`
    python -m benchmarks.pipeline --rounds 1 --steps 12   # a quick look
    python -m benchmarks.pipeline --fresh       # also a clone, set up and run: 10 minutes
    python -m benchmarks.pipeline --tests       # also `make test`
    python -m benchmarks.pipeline --promotion   # also the way to production: 5 minutes

Clones are of HEAD: commit first.
"""

import dataclasses
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ruamel.yaml import YAML

from benchmarks.common.command import parser_of
from kdsharp.train.config import LoopConfig
from kdsharp.train.dataset.batches import PatchDataset
from kdsharp.train.dataset.examples import make_dataset
from kdsharp.train.dataset.patches import PatchSet
from kdsharp.train.loop.fit import OPTIMIZERS, fit
from kdsharp.train.loop.loss import LOSSES
from kdsharp.train.student.reparam import ReparamStudent
from kdsharp.train.teacher.network import Teacher
from pipeline.params import load_params

__all__ = [
    "bare_steps",
    "command",
    "fresh_clone",
    "loop_speed",
    "looped",
    "main",
    "once",
    "orchestration",
    "patches_per_second",
    "promotion",
    "row",
]

_ROUNDS = 5
_STEPS = {"teacher": 12, "student": 120}


def main() -> None:
    """Measure, and print one line for each goal."""
    parser = parser_of("pipeline", __doc__)
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="that medians are taken over")
    parser.add_argument(
        "--steps", type=int, help=f"of the loop and beside it, else {_STEPS['teacher']} of the "
        f"teacher and {_STEPS['student']} of the student",
    )  # fmt: skip
    parser.add_argument("--fresh", action="store_true", help="time a fresh clone as well")
    parser.add_argument("--tests", action="store_true", help="time `make test` as well")
    parser.add_argument("--promotion", action="store_true", help="time the way to production")
    chosen = parser.parse_args()
    print(f"{os.cpu_count()} cores, torch with {torch.get_num_threads()} threads")
    row("kdsharp --help", f"{command(chosen.rounds, 'kdsharp', '--help'):.2f} s", "0.5 s")
    row("dvc repro, nothing to do", f"{command(chosen.rounds, 'dvc', 'repro', '-q'):.2f} s", "3 s")
    row("patches", f"{patches_per_second(chosen.rounds):.0f} pairs/s", "1,000 pairs/s or more")
    for name, steps in _STEPS.items():
        bare, loop = loop_speed(name, chosen.rounds, chosen.steps or steps)
        row(f"{name}: loop / bare step", f"{loop / bare:.1%} of {bare:.0f} patches/s", "95 %")
    if chosen.tests:
        row("make test", f"{once('make', 'test'):.0f} s", "300 s")
    if chosen.promotion:
        promotion(chosen.rounds)
    if chosen.fresh:
        fresh_clone()


def row(name: str, measured: str, goal: str) -> None:
    """Print one result."""
    print(f"{name:32} {measured:32} goal {goal}", flush=True)


def once(*words: str, folder: Path | None = None) -> float:
    """Seconds of one run of a command."""
    binaries = str(Path(sys.executable).parent)
    env = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    began = time.monotonic()
    subprocess.run(words, check=True, cwd=folder, env=env, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def command(rounds: int, *words: str) -> float:
    """Median seconds of a command, after one run that warms the file cache."""
    return statistics.median([once(*words) for _ in range(rounds + 1)][1:])


def patches_per_second(rounds: int) -> float:
    """Median rate at which the default patches of the photos in data/raw are cut."""
    from kdsharp.train.dataset.cut import cut_patches

    params = load_params()
    wanted, recipe, scale = params.patches, params.degradation.recipe, params.degradation.scale
    photos = sorted(path for path in Path("data/raw/train").rglob("*") if path.is_file())
    rates = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            cut_patches(photos, wanted.train, Path(folder), "train", wanted, recipe, scale)
            rates.append(wanted.train / (time.monotonic() - began))
    return statistics.median(rates)


def loop_speed(name: str, rounds: int, steps: int) -> tuple[float, float]:
    """Patches a second of the bare forward-backward-step and of the loop, in turn; medians."""
    params = load_params()
    config = params.teacher if name == "teacher" else params.student
    make: Callable[[], torch.nn.Module] = (
        (lambda: Teacher(params.teacher))
        if name == "teacher"
        else (lambda: ReparamStudent(params.student))
    )
    random, side = np.random.default_rng(0), params.patches.size
    shape = (steps * config.loop.batch_size, side, side, 3)
    low, high = (random.integers(0, 256, shape, np.uint8) for _ in range(2))
    examples = make_dataset(PatchSet(low, high, params.degradation.scale), config.color)
    pairs = [
        (bare_steps(make(), examples, config.loop, steps), looped(make(), examples, config.loop))
        for _ in range(rounds)
    ]
    bare, loop = zip(*pairs, strict=True)
    return statistics.median(bare), statistics.median(loop)


def bare_steps(
    network: torch.nn.Module, examples: PatchDataset, loop: LoopConfig, steps: int
) -> float:
    """The same batch again and again: nothing but the network, the loss and the optimiser."""
    network = network.to(memory_format=torch.channels_last).train()
    weights: list[torch.Tensor] = [p for p in network.parameters() if p.requires_grad]
    optimizer = OPTIMIZERS[loop.optimizer](weights, loop)
    (batch,) = examples.batches(loop, 0, 1, (0, 1), ahead=False)
    for step in range(steps + 2):
        if step == 2:
            began = time.monotonic()
        optimizer.zero_grad()
        loss = examples.loss(network, batch, LOSSES[loop.loss], torch.device("cpu"))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return steps * loop.batch_size / (time.monotonic() - began)


def looped(network: torch.nn.Module, examples: PatchDataset, loop: LoopConfig) -> float:
    """`fit` as the stages call it: batches, schedule, clipping, average, checkpoints."""
    rates: list[float] = []
    # The first epoch warms up.
    loop = dataclasses.replace(loop, epochs=2, repeats=1, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network,
            examples,
            lambda _: 0.0,
            loop,
            Path(folder) / "last.pt",
            "",
            lambda epoch: rates.append(epoch.patches_per_second),
        )
    return rates[-1]


def promotion(rounds: int) -> None:
    """Clones of HEAD with this checkout's cache, each with a store of its own."""
    verb = (sys.executable, "-m", "pipeline")
    ways, imports, looks = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "kdsharp"
            subprocess.run(["git", "clone", "-q", ".", clone], check=True)
            cache = str(Path(".dvc/cache").resolve())
            once("dvc", "cache", "dir", "--local", cache, folder=clone)
            once("dvc", "checkout", "-q", folder=clone)
            ways.append(sum(once(*verb, name, folder=clone) for name in ("register", "promote")))
            once(*verb, "status", folder=clone)
            imports.append(once(sys.executable, "-c", "import mlflow", folder=clone))
            looks.append(once(*verb, "status", folder=clone))
    row("register, gate, promote", f"{statistics.median(ways):.0f} s", "60 s")
    ratio = statistics.median(a / b for a, b in zip(looks, imports, strict=True))
    row("status / import mlflow", f"{ratio:.2f}", "2")
    flow, stages = orchestration(rounds)
    share = (flow - stages) / 600
    row("flow - its stages", f"{flow:.1f} - {stages:.1f} s: {share:.1%} of 10 min", "5 %")


def orchestration(rounds: int) -> tuple[float, float]:
    """Seconds of a flow run on a standing server, and of the same stages without it; medians.

    With nothing to do, all of the difference is orchestration.
    """
    names = list(YAML(typ="safe").load(Path("dvc.yaml"))["stages"])
    once(sys.executable, "-m", "pipeline", "up")
    try:
        pairs = [
            (
                once(sys.executable, "-m", "pipeline", "retrain"),
                sum(once("dvc", "repro", "-q", "--single-item", name) for name in names),
            )
            for _ in range(rounds)
        ]
    finally:
        once(sys.executable, "-m", "pipeline", "down")
    flows, stages = zip(*pairs, strict=True)
    return statistics.median(flows), statistics.median(stages)


def fresh_clone() -> None:
    """Clone HEAD and do what a newcomer does."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "kdsharp"
        subprocess.run(["git", "clone", "-q", ".", clone], check=True)
        setup = once("make", "setup", folder=clone)
        run = once("make", "run", folder=clone)
        row("fresh clone: make run", f"{setup + run:.0f} s", "720 s")
        row("  of which dvc repro", f"{run:.0f} s", "480 s")
        shutil.rmtree(clone)


if __name__ == "__main__":
    main()
