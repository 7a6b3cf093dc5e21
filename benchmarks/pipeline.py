"""How fast the pipeline is: one line a goal, medians, the ratio measured in one run.

python benchmarks/pipeline.py            # about two minutes, after a first `dvc repro`
python benchmarks/pipeline.py --fresh    # also clones, sets up and runs everything: 10 minutes
python benchmarks/pipeline.py --tests    # also `make test`
python benchmarks/pipeline.py --promotion   # also the way to production: 5 minutes; commit first
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# The folder of this file comes first otherwise, and in it `pipeline` is a benchmark.
sys.path[0] = str(Path(__file__).parents[1])

import numpy as np
import torch
from ruamel.yaml import YAML

from kdsharp.train.batches import Examples, Planes
from kdsharp.train.config import LoopConfig
from kdsharp.train.loop import LOSSES, fit
from kdsharp.train.student import Student
from kdsharp.train.teacher import Teacher
from pipeline.params import load_params

ROUNDS = 5


def main() -> None:
    """Measure, and print one line for each goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="time a fresh clone as well")
    parser.add_argument("--tests", action="store_true", help="time `make test` as well")
    parser.add_argument("--promotion", action="store_true", help="time the way to production")
    chosen = parser.parse_args()
    print(f"{os.cpu_count()} cores, torch with {torch.get_num_threads()} threads")
    row("kdsharp --help", f"{command('kdsharp', '--help'):.2f} s", "0.5 s")
    row("dvc repro, nothing to do", f"{command('dvc', 'repro', '-q'):.2f} s", "3 s")
    row("patches", f"{patches_per_second():.0f} pairs/s", "1,000 pairs/s or more")
    for name in ("teacher", "student"):
        bare, loop = loop_speed(name)
        row(f"{name}: loop / bare step", f"{loop / bare:.1%} of {bare:.0f} patches/s", "95 %")
    if chosen.tests:
        row("make test", f"{once('make', 'test'):.0f} s", "300 s")
    if chosen.promotion:
        promotion()
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


def command(*words: str) -> float:
    """Median seconds of a command, after one run that warms the file cache."""
    return statistics.median([once(*words) for _ in range(ROUNDS + 1)][1:])


def patches_per_second() -> float:
    """Median rate at which the default patches of the photos in data/raw are cut."""
    from kdsharp.train.crops import cut_patches

    params = load_params().patches
    photos = sorted(path for path in Path("data/raw/train").rglob("*") if path.is_file())
    rates = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            cut_patches(photos, params.train, Path(folder), "train", params, ("bicubic", 2))
            rates.append(params.train / (time.monotonic() - began))
    return statistics.median(rates)


def loop_speed(name: str) -> tuple[float, float]:
    """Patches a second of the bare forward-backward-step and of the loop, in turn; medians."""
    params = load_params()
    config = params.teacher if name == "teacher" else params.student
    make: Callable[[], torch.nn.Module] = (
        (lambda: Teacher(params.teacher))
        if name == "teacher"
        else (lambda: Student(params.student))
    )
    planes = 3 if name == "teacher" or params.student.color == "rgb" else 1
    steps = 12 if name == "teacher" else 120
    pairs = [
        (bare_steps(make(), config.loop, planes, steps), looped(make(), config.loop, planes, steps))
        for _ in range(ROUNDS)
    ]
    return tuple(statistics.median(column) for column in zip(*pairs, strict=True))  # type: ignore[return-value]


def bare_steps(network: torch.nn.Module, loop: LoopConfig, planes: int, steps: int) -> float:
    """The same batch again and again: nothing but the network and Adam."""
    network = network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    x, y = (
        torch.rand(loop.batch_size, planes, 128, 128).to(memory_format=torch.channels_last)
        for _ in range(2)
    )
    for step in range(steps + 2):
        if step == 2:
            began = time.monotonic()
        optimizer.zero_grad()
        LOSSES[loop.loss](network(x), y).backward()
        optimizer.step()
    return steps * loop.batch_size / (time.monotonic() - began)


def looped(network: torch.nn.Module, loop: LoopConfig, planes: int, steps: int) -> float:
    """`fit` on patches in memory: batches, schedule, clipping, average, checkpoints."""
    count = steps * loop.batch_size
    random = np.random.default_rng(0)
    low, high = (
        Planes(random.integers(0, 256, (count, 128, 128, planes), np.uint8), 255) for _ in range(2)
    )
    rates: list[float] = []
    two_epochs = LoopConfig(epochs=2, batch_size=loop.batch_size, lr=loop.lr, loss=loop.loss)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network,
            Examples(low, [(1.0, high)]),
            lambda _: 0.0,
            two_epochs,
            Path(folder) / "last.pt",
            "",
            lambda epoch: rates.append(epoch.patches_per_second),
        )
    return rates[-1]


def promotion() -> None:
    """Clones of HEAD with this checkout's cache, each with a store of its own."""
    verb = (sys.executable, "-m", "pipeline")
    ways, imports, looks = [], [], []
    for _ in range(ROUNDS):
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
    flow, stages = orchestration()
    share = (flow - stages) / 600
    row("flow - its stages", f"{flow:.1f} - {stages:.1f} s: {share:.1%} of 10 min", "5 %")


def orchestration() -> tuple[float, float]:
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
            for _ in range(ROUNDS)
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
