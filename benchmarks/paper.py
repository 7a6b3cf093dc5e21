"""What so many photos would take on so many cores and GPUs, on paper, from measured constants.

    python -m benchmarks.paper
    python -m benchmarks.cluster --json cluster.json    # acquire and patches as well
    python -m benchmarks.paper cluster.json --photos 1000000 --gpus 64 --cores 512

Measured: what `benchmarks.cluster` wrote, and here, on one core: reading crops from shards, DVC's
work on a file, MD5, and near duplicates among 100,000 made hashes. Counted: products of networks,
and bytes, by params.yaml. Assumed, and said so in the table: what a GPU sustains (--gpu-tflops);
that machines are as fast as this one; that the shared disk keeps up. A step takes the longest of
its columns. `one` is what a single process does, which no cluster shortens.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cluster import Used, per_photo
from benchmarks.common.command import log, parser_of
from benchmarks.near import made_hashes
from kdsharp.errors import UserError
from kdsharp.errors import run as run_command
from kdsharp.tables import markdown
from kdsharp.train.config import LoopConfig
from kdsharp.train.dataset.examples import make_dataset
from kdsharp.train.dataset.patches import INFO, load_patches
from kdsharp.train.student.network import Student
from kdsharp.train.teacher.network import Teacher
from pipeline.data.near import near_groups
from pipeline.params import Params, load_params

__all__ = ["Constants", "Step", "main", "on_paper"]

_HASHES = 100_000
_FILES = 1000


@dataclass(frozen=True)
class Constants:
    """CPU seconds of one core."""

    client: Mapping[str, float]
    """Of each photo, by stage; or the scheduler's, if that takes more."""
    workers: Mapping[str, float]
    crop: float
    """Of reading a random crop of a training from many shards."""
    dvc_file: float
    md5_gb: float
    near: float
    """Of comparing 100,000 hashes; it grows with the square."""


@dataclass(frozen=True)
class Step:
    """Hours: of a single process, of all cores or reading processes together, of all GPUs."""

    name: str
    one: float = 0.0
    cores: float = 0.0
    gpus: float = 0.0
    gigabytes: float = 0.0
    """On disk, afterwards."""

    @property
    def hours(self) -> float:
        """What it takes: reading and GPUs go on beside each other."""
        return max(self.one, self.cores, self.gpus)


def on_paper(
    constants: Constants,
    params: Params,
    photos: int,
    each: int,
    cores: int,
    gpus: int,
    node: int,
    teraflops: float,
) -> list[Step]:
    """The steps for `photos` that give `each` so many patches.

    A training has the GPUs of one `node`, which is as far as torchrun is used.
    """
    patches, side = photos * each, params.patches.size
    size_gb = patches * side * side * 3 * 2 / 1e9
    answers_gb = patches * side * side * 2 / 1e9
    teacher, student = Teacher(params.teacher), Student(params.student)

    def flops(count: int) -> float:
        return count * teraflops * 1e12 * 3600

    def training(name: str, macs: float, loop: LoopConfig) -> Step:
        crops = patches * loop.repeats * loop.epochs
        work = crops * (loop.crop or side) ** 2 * 6 * macs  # backwards is twice forwards
        reading = crops * constants.crop / node / 3600
        return Step(f"{name}, on {node} GPUs", cores=reading, gpus=work / flops(node))

    c = constants
    stages = [
        Step(
            stage,
            photos * c.client[stage] / 3600,
            photos * c.workers[stage] / cores / 3600,
        )
        for stage in c.client
    ]
    return [
        *stages,
        Step("near duplicates", c.near * (photos / _HASHES) ** 2 / 3600),
        Step("DVC: photos as files", photos * c.dvc_file / 3600),
        Step("DVC: MD5 of patches", size_gb * c.md5_gb / 3600, gigabytes=size_gb),
        training("teacher", teacher.macs_per_pixel, params.teacher.loop),
        Step(
            "labelling by the teacher",
            cores=patches * c.crop / gpus / 3600,
            gpus=patches * side**2 * 2 * teacher.macs_per_pixel / flops(gpus),
            gigabytes=answers_gb,
        ),
        training("student", student.macs_per_pixel, params.student.loop),
    ]


def main() -> None:
    """Print the constants, the table, and its longest steps."""
    parser = parser_of("paper", __doc__)
    parser.add_argument("numbers", type=Path, nargs="?", help="of benchmarks.cluster --json")
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=10, help="patches of a photo")
    parser.add_argument("--cores", type=int, default=512)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--node", type=int, default=8, help="GPUs of one machine, for a training")
    parser.add_argument("--gpu-tflops", type=float, default=20.0, help="assumed, of each")
    chosen = parser.parse_args()
    sys.exit(run_command(lambda: _print(chosen), program="benchmarks.paper"))


def _print(chosen: argparse.Namespace) -> None:
    params = load_params()
    constants = _constants(_read(chosen.numbers) if chosen.numbers else {}, params)
    steps = on_paper(
        constants,
        params,
        chosen.photos,
        chosen.each,
        chosen.cores,
        chosen.gpus,
        chosen.node,
        chosen.gpu_tflops,
    )
    units = [f"{name.replace('_', ' ')} {1e3 * value:,.3g} ms" for name, value in _named(constants)]
    print("CPU time of one core: " + ", ".join(units) + "\n")
    cells = [[s.name, *map(_hours, (s.one, s.cores, s.gpus)), _size(s.gigabytes)] for s in steps]
    many = f"{chosen.cores} cores, or a reader for each GPU"
    gpus = f"{chosen.gpus} GPUs at {chosen.gpu_tflops:g} TFLOP/s (assumed)"
    print(markdown([f"{chosen.photos:,} photos, hours", "one", many, gpus, "on disk"], cells))
    longest = sorted(steps, key=lambda step: -step.hours)[:3]
    print("\nlongest: " + ", ".join(f"{step.name} {_hours(step.hours)} h" for step in longest))


def _named(constants: Constants) -> list[tuple[str, float]]:
    """All of them, those of stages with the stage's name."""
    named: list[tuple[str, float]] = []
    for name, value in vars(constants).items():
        several = value if isinstance(value, Mapping) else {"": value}
        named += [(f"{stage} {name}".strip(), seconds) for stage, seconds in several.items()]
    return named


def _hours(hours: float) -> str:
    return f"{hours:,.2f}" if hours >= 0.005 else "0" if hours else ""


def _size(gigabytes: float) -> str:
    return f"{gigabytes:,.0f} GB" if gigabytes else ""


def _read(path: Path) -> dict[str, list[Used]]:
    try:
        stages = json.loads(path.read_text(encoding="utf-8"))["stages"]
        return {name: [Used(**used) for used in several] for name, several in stages.items()}
    except FileNotFoundError:
        raise UserError(f"{path} is missing: benchmarks.cluster --json {path}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not of benchmarks.cluster ({error})") from None


def _constants(found: dict[str, list[Used]], params: Params) -> Constants:
    log("measuring crops, DVC, MD5 and near duplicates on one core")
    zeros, hashes = bytes(200_000_000), made_hashes(_HASHES)
    return Constants(
        {n: max(per_photo(used, p) for p in ("client", "scheduler")) for n, used in found.items()},
        {name: per_photo(used, "workers") for name, used in found.items()},
        _crop(params),
        _dvc_file(),
        _cpu(lambda: hashlib.md5(zeros, usedforsecurity=False)) / 0.2,
        _cpu(lambda: near_groups(hashes, params.data.duplicate_distance)),
    )


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _crop(params: Params, shards: int = 150, rows: int = 8, steps: int = 40) -> float:
    """A training's batches from more files than may be open at once, each random."""
    side, random = params.patches.size, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = [f"train-{number:03}" for number in range(shards)]
        for shard in names:
            for quality in ("lr", "hr"):
                made = random.integers(0, 256, (rows, side, side, 3), np.uint8)
                np.save(folder / f"{shard}_{quality}.npy", made)
        info: dict[str, Any] = {"size": side, "scale": 2, "shards": {"train": names}}
        (folder / INFO).write_text(json.dumps(info), encoding="utf-8")
        loop = params.teacher.loop
        examples = make_dataset(load_patches(folder, "train"), params.teacher.color)
        used = _cpu(lambda: list(examples.batches(loop, 0, steps, (0, 1), ahead=False)))
    return used / (steps * loop.batch_size)


def _dvc_file() -> float:
    """Of a file in a folder that DVC adds, by the difference between a few and many."""
    few, many = _FILES // 10, _FILES + _FILES // 10
    return (_dvc_add(many) - _dvc_add(few)) / (many - few)


def _dvc_add(count: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.jpg").write_bytes(number.to_bytes(8) * 1000)
        env = os.environ | {"DVC_NO_ANALYTICS": "1"}
        used = 0.0
        settings = ("config", "cache.type", "reflink,hardlink,copy")
        for words in (("init", "--no-scm", "-q"), settings, ("add", "-q", "photos")):
            command = [sys.executable, "-m", "dvc", *words]
            process = subprocess.Popen(command, cwd=name, env=env)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"dvc {words[0]} ended with {process.returncode}")
            used = usage.ru_utime + usage.ru_stime
        return used  # of the last


if __name__ == "__main__":
    main()
