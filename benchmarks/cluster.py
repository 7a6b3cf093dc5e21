"""What a cluster costs: CPU seconds of the stages on this machine alone, and on a Dask cluster.

    python -m benchmarks.cluster --json cluster.json                     # for benchmarks.paper
    python -m benchmarks.cluster --photos 40 80 --side 256 --scored 1    # a quick look

Starts a scheduler and workers of its own, on this machine. Photos and networks are made, as those
of `benchmarks.scale`; of the first number of photos --scored of each split are evaluated, of the
second twice as many. CPU is the seconds of all cores: wall clock says little where workers share
the cores with each other. What client and scheduler take cannot be shared out, and so bounds a
large cluster. The last column is what a photo more takes, by the line through both numbers.
"""

import argparse
import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.common.command import log, parser_of
from benchmarks.scale import link, make_photos, write_models, write_params
from kdsharp.cluster.spread import VARIABLE
from kdsharp.files import write_json
from kdsharp.tables import markdown

__all__ = ["STAGES", "Used", "main", "per_photo"]

STAGES = ("acquire", "patches", "evaluate")
_CODE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Used:
    """CPU seconds for so many photos: of a stage alone; of each part of a cluster."""

    photos: int
    alone: float
    client: float
    scheduler: float
    workers: float


def main() -> None:
    """Print a table of both ways; write the numbers with --json."""
    parser = parser_of("cluster", __doc__)
    parser.add_argument("--photos", type=int, nargs=2, default=[100, 300])
    parser.add_argument("--side", type=int, default=864, help="height of a photo, 4 to 3")
    parser.add_argument("--scored", type=int, default=2, help="evaluate.photos")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--json", type=Path, default=None, help="a file for the numbers")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kdsharp-cluster-") as folder,
        _cluster(chosen.workers, Path(folder)) as address,
    ):
        found = _measure(Path(folder), chosen, address)
    head = ["CPU seconds", "photos", "alone", "client", "scheduler", "workers", "all", "each more"]
    print(markdown(head, [row for stage, used in found.items() for row in _rows(stage, used)]))
    if chosen.json:
        numbers = {stage: [asdict(used) for used in several] for stage, several in found.items()}
        write_json(chosen.json, {"side": chosen.side, "stages": numbers})


def per_photo(used: Sequence[Used], part: str) -> float:
    """Seconds that a photo more takes of `part`, a field of `Used`; not below 0, which is noise."""
    few, *_, most = used
    grown = getattr(most, part) - getattr(few, part)
    return max(0.0, float(grown) / (most.photos - few.photos))


def _rows(stage: str, several: Sequence[Used]) -> list[list[str]]:
    parts = ("alone", "client", "scheduler", "workers")
    each = {part: per_photo(several, part) for part in parts}
    more = 1000 * each["alone"], 1000 * (sum(each.values()) - each["alone"])
    rows = []
    for used in several:
        seconds = [getattr(used, part) for part in parts]
        cells = [f"{value:.1f}" for value in (*seconds, sum(seconds[1:]))]
        rows.append([stage, str(used.photos), *cells, f"{more[0]:.0f} alone, {more[1]:.0f} ms"])
    return rows


def _measure(work: Path, chosen: argparse.Namespace, address: str) -> dict[str, list[Used]]:
    make_photos(work / "photos", max(chosen.photos), chosen.side)
    found: dict[str, list[Used]] = {stage: [] for stage in STAGES}
    exported = work / "export"  # the same for all: the networks are
    for times, count in enumerate(sorted(chosen.photos), start=1):
        roots = [_made(work, kind, count, times * chosen.scored) for kind in ("alone", "far")]
        for stage in STAGES:
            if stage == "evaluate":
                if not exported.exists():
                    _run(roots[0], "export")
                    shutil.copytree(roots[0] / "models/export", exported)
                for root in roots:
                    shutil.copytree(exported, root / "models/export", dirs_exist_ok=True)
            photos = 2 * times * chosen.scored if stage == "evaluate" else count
            alone = _run(roots[0], stage)
            before = _cluster_seconds(address)
            client = _run(roots[1], stage, {VARIABLE: address.replace("tcp", "dask")})
            scheduler, workers = (
                b - a for a, b in zip(before, _cluster_seconds(address), strict=True)
            )
            found[stage].append(Used(photos, alone, client, scheduler, workers))
            log(f"{photos} photos, {found[stage][-1]}")
        for name in ("data/patches", "reports/images.csv"):
            _must_be_alike(*(root / name for root in roots))
    return found


def _made(work: Path, kind: str, count: int, scored: int) -> Path:
    root = work / f"{kind}-{count}"
    (root / "photos").mkdir(parents=True)
    for photo in sorted((work / "photos").iterdir())[:count]:
        link(photo, root / "photos" / photo.name)
    write_params(root, count, scored)
    writer = multiprocessing.get_context("spawn").Process(target=write_models, args=(root,))
    writer.start()
    writer.join()
    return root


def _run(root: Path, stage: str, variables: dict[str, str] | None = None) -> float:
    """CPU seconds of the stage's own process."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("KDSHARP_")}
    process = subprocess.Popen(
        [sys.executable, "-m", f"pipeline.stages.{stage}"],
        cwd=root,
        env=env | {"PYTHONPATH": str(_CODE)} | (variables or {}),
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the stage {stage} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def _must_be_alike(one: Path, other: Path) -> None:
    for path in [one] if one.is_file() else sorted(one.iterdir()):
        twin = other / path.relative_to(one)
        if path.read_bytes() != twin.read_bytes():
            raise SystemExit(f"{twin} is not what {path} is")


@contextlib.contextmanager
def _cluster(workers: int, folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    dask = [sys.executable, "-W", "ignore", "-m", "dask"]
    port = address.rpartition(":")[2]
    commands = [
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"],
        [*dask, "worker", address, "--nworkers", str(workers), "--nthreads", "1"],
    ]
    commands[1] += ["--no-dashboard", "--local-directory", str(folder / "dask")]
    env = os.environ | {"PYTHONPATH": str(_CODE)}
    with (folder / "dask.log").open("wb") as out, contextlib.ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(
                command, env=env, stdout=out, stderr=out, start_new_session=True
            )
            stack.callback(_end, process)
        _wait_for(address, workers)
        yield address


def _wait_for(address: str, workers: int) -> None:
    from distributed import Client

    end = time.monotonic() + 120
    while True:
        try:
            with Client(address, timeout=10, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=60)
                return
        except OSError:
            if time.monotonic() > end:
                raise


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)


def _cluster_seconds(address: str) -> tuple[float, float]:
    """CPU seconds so far: of the scheduler, and of all workers."""
    from distributed import Client

    with Client(address, timeout=30, set_as_default=False) as client:
        workers = client.run(time.process_time).values()
        return float(client.run_on_scheduler(time.process_time)), float(sum(workers))


if __name__ == "__main__":
    main()
