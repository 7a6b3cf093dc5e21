"""What a cluster costs: CPU seconds of two stages on this machine alone, and on a Dask cluster.

    python -m benchmarks.cluster --json cluster.json          # for benchmarks.paper
    python -m benchmarks.cluster --photos 40 80 --side 256    # a quick look

Starts a scheduler and workers of its own, on this machine. Photos are made, as those of
`benchmarks.scale`. CPU is the seconds of all cores: wall clock says little where workers share the
cores with each other. What client and scheduler take cannot be shared out, and so bounds a large
cluster. The last columns are what a photo more takes, by the line through both numbers. The
patches of both ways are compared, byte for byte.
"""

import argparse
import contextlib
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
from benchmarks.scale import link, make_photos, write_params
from kdsharp.cluster.spread import VARIABLE
from kdsharp.files import write_json
from kdsharp.tables import markdown
from pipeline.params import load_params
from pipeline.stages import acquire, patches

__all__ = ["STAGES", "Used", "main", "per_photo"]

STAGES = ("acquire", "patches")
_CODE = Path(__file__).parents[1]
# What glibc comes to by itself. Dask's own setting stops that, and gives the memory of each picture
# back to the system: workers then take twice the time of this process for the same work.
_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(64 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}


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
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--json", type=Path, default=None, help="a file for the numbers")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kdsharp-cluster-") as folder,
        _cluster(chosen.workers, Path(folder)) as address,
    ):
        found = _measure(Path(folder), chosen, address)
    head = ["CPU", "", "alone", "client", "scheduler", "workers"]
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
    rows = []
    for used in several:
        seconds = [getattr(used, part) for part in parts]
        rows.append([stage, f"{used.photos} photos", *(f"{s:.1f} s" for s in seconds)])
    each = [1000 * per_photo(several, part) for part in parts]
    return [*rows, [stage, "each more", *(f"{milliseconds:.1f} ms" for milliseconds in each)]]


def _measure(work: Path, chosen: argparse.Namespace, address: str) -> dict[str, list[Used]]:
    """The stages in this process, one folder after another, the first of them to warm up."""
    make_photos(work / "photos", max(chosen.photos), chosen.side)
    found: dict[str, list[Used]] = {stage: [] for stage in STAGES}
    few, most = sorted(chosen.photos)
    for count in (few, few, most):
        alone, far = (_run(work, count, address, kind) for kind in ("local", "dask"))
        _must_be_alike(*(work / kind / "data/patches" for kind in ("local", "dask")))
        for stage in STAGES:
            found[stage].append(Used(count, alone[stage][0], *far[stage]))
            log(f"{stage}: {found[stage][-1]}")
    return {stage: several[1:] for stage, several in found.items()}


def _run(work: Path, count: int, address: str, kind: str) -> dict[str, tuple[float, float, float]]:
    """CPU seconds of each stage: of this process, of the scheduler and of the workers."""
    root = work / kind
    shutil.rmtree(root, ignore_errors=True)
    (root / "photos").mkdir(parents=True)
    for photo in sorted((work / "photos").iterdir())[:count]:
        link(photo, root / "photos" / photo.name)
    write_params(root, count, None)
    os.environ[VARIABLE] = address.replace("tcp", "dask") if kind == "dask" else "local"
    used = {}
    with contextlib.chdir(root):
        params = load_params()
        for stage, main in zip(STAGES, (acquire.main, patches.main), strict=True):
            before = (time.process_time(), *_cluster_seconds(address))
            main(params)
            after = (time.process_time(), *_cluster_seconds(address))
            client, scheduler, workers = (b - a for a, b in zip(before, after, strict=True))
            used[stage] = (client, scheduler, workers)
    return used


def _must_be_alike(one: Path, other: Path) -> None:
    for path in sorted(one.iterdir()):
        if path.read_bytes() != (other / path.name).read_bytes():
            raise SystemExit(f"{other / path.name} is not what {path} is")


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
    env = {**_MEMORY, **os.environ, "PYTHONPATH": str(_CODE)}
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
