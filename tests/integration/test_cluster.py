"""A real Dask scheduler and worker processes, some of which are killed in the middle of a task."""

import os
import shutil
import signal
import sys
import time

import pytest

from benchmarks.scale import make_photo
from tests.integration.checkout import make_checkout
from tests.integration.servers import running_dask, workers_of
from tests.models import make_model

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PHOTOS = 240
WORKERS = 3


@pytest.fixture(scope="module")
def cluster():
    with running_dask(WORKERS) as address:
        yield address


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "photos"
    folder.mkdir()
    for number in range(PHOTOS):
        make_photo(number, 120).save(folder / f"{number:03}.jpg", quality=95)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory, photos):
    """A checkout whose photos were taken in, and whose patches were cut, on this machine."""
    checkout = make_checkout(tmp_path_factory.mktemp("here"), git=False)
    checkout.set(
        data__source="folder",
        data__folder__path=str(photos),
        data__folder__at_least=10,
        patches__train=800,
        patches__drawings=0.1,
        degradation__name="robust",
        student__feature_weight=0.1,
        teacher__loop__epochs=1,
        student__loop__epochs=1,
        export__int8=False,
    )
    for name in ("acquire", "patches", "needs", "environment"):
        stage(checkout, name)
    return checkout


@pytest.fixture
def there(here, tmp_path):
    """A copy of it, to be worked on by the cluster."""
    return copy_of(here, tmp_path / "there")


def copy_of(checkout, root):
    shutil.copytree(checkout.root, root)
    return type(checkout)(root)


def stage(checkout, name, code=0, **env):
    return checkout.run(sys.executable, "-m", f"pipeline.stages.{name}", code=code, **env)


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.relative_to(folder): path.read_bytes() for path in found}


def hidden(checkout):
    return sorted(p.relative_to(checkout.root) for p in (checkout.root / "data").rglob(".*"))


def busy_worker(address):
    """A worker that has a task of ours right now, and its process id."""
    from distributed import Client

    with Client(f"tcp://{address}", set_as_default=False) as client:
        pids, end = client.run(os.getpid), time.monotonic() + 120
        while time.monotonic() < end:
            running = client.run_on_scheduler(_running)
            for worker in running:
                if worker in pids:
                    return worker, pids[worker]
            time.sleep(0.005)
    raise AssertionError("no worker had anything to do")


def _running(dask_scheduler):
    """Workers that were given tasks of ours and have not ended them."""
    return [
        worker.address
        for worker in dask_scheduler.workers.values()
        if any(str(task.key).startswith("kdsharp-") for task in worker.processing)
    ]


def killed_in_the_middle(cluster, process, ready=lambda: True):
    """Wait until it has begun, SIGKILL a busy worker, and wait for the end."""
    end = time.monotonic() + 300
    while not ready():
        assert process.poll() is None, "it was done too soon"
        assert time.monotonic() < end
        time.sleep(0.005)
    worker, pid = busy_worker(cluster)
    os.kill(pid, signal.SIGKILL)
    assert process.poll() is None, "it was done too soon"
    assert process.wait(timeout=600) == 0
    assert worker not in workers_of(f"tcp://{cluster}")
    wait_for_all(cluster)


def wait_for_all(cluster):
    """Dask's nanny puts another process in the place of one that was killed."""
    end = time.monotonic() + 120
    while len(workers_of(f"tcp://{cluster}")) < WORKERS:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_photos_are_found_checked_and_hashed_alike(here, there, cluster):
    shutil.rmtree(there.root / "data/raw")
    done = stage(there, "acquire", KDSHARP_CLUSTER=f"dask://{cluster}")
    assert "broken.jpg" in done.stdout
    assert files(there.root / "data/raw") == files(here.root / "data/raw")


def test_a_killed_worker_leaves_the_same_patches(here, there, cluster):
    shutil.rmtree(there.root / "data/patches")
    process = there.start(
        sys.executable, "-m", "pipeline.stages.patches", KDSHARP_CLUSTER=f"dask://{cluster}"
    )
    killed_in_the_middle(cluster, process)
    whole = files(here.root / "data/patches")
    assert len(whole) > 8  # in several shards
    assert files(there.root / "data/patches") == whole
    assert hidden(there) == hidden(here)


def test_a_killed_worker_leaves_the_same_answers_and_the_same_numbers(here, tmp_path, cluster):
    alone = copy_of(here, tmp_path / "alone")
    stage(alone, "teacher")
    there = copy_of(alone, tmp_path / "there")
    stage(alone, "student")
    stage(there, "student", KDSHARP_CLUSTER=f"dask://{cluster}")
    student = "models/student.safetensors"
    answers = files_of(alone, "answers-*/*.npy")
    assert len(answers) == 2
    assert files_of(there, "answers-*/*.npy") == answers
    assert (there.root / student).read_bytes() == (alone.root / student).read_bytes()

    stage(alone, "export")
    shutil.copytree(alone.root / "models/export", there.root / "models/export")
    for checkout in (alone, there):
        shutil.rmtree(checkout.root / ".checkpoints/scores", ignore_errors=True)
    stage(alone, "evaluate")
    process = there.start(
        sys.executable, "-m", "pipeline.stages.evaluate", KDSHARP_CLUSTER=f"dask://{cluster}"
    )
    killed_in_the_middle(cluster, process, lambda: scored(there))
    for name in ("reports/images.csv", "reports/metrics.json"):
        assert (there.root / name).read_bytes() == (alone.root / name).read_bytes(), name


def files_of(checkout, pattern):
    return {p.name: p.read_bytes() for p in (checkout.root / ".checkpoints").glob(pattern)}


def scored(checkout):
    found = (checkout.root / ".checkpoints/scores").glob("student-*.jsonl")
    return any(path.stat().st_size for path in found)


def test_a_folder_is_sharpened_alike(photos, tmp_path, cluster):
    model = make_model(tmp_path / "model")
    command = [sys.executable, "-m", "kdsharp", "sharpen", str(photos), "--model", str(model)]
    command += ["--engine", "onnxruntime"]
    checkout = make_checkout(tmp_path / "checkout", git=False)
    one = checkout.run(*command, "-o", f"{tmp_path}/one", code=2)
    process = checkout.start(
        *command, "-o", f"{tmp_path}/many", KDSHARP_CLUSTER=f"dask://{cluster}"
    )
    worker, pid = busy_worker(cluster)
    os.kill(pid, signal.SIGKILL)
    assert process.wait(timeout=300) == 2  # as for the one photo that is none
    assert worker not in workers_of(f"tcp://{cluster}")
    assert "1 of 241 photos failed" in one.stderr
    assert len(files(tmp_path / "one")) == PHOTOS
    assert files(tmp_path / "many") == files(tmp_path / "one")
    wait_for_all(cluster)
