"""A real Dask scheduler and worker processes, some of which are killed in the middle of a task."""

import dataclasses
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from benchmarks.scale import make_photo
from kdsharp.degrade import known_recipe
from kdsharp.train.config import PatchesConfig
from kdsharp.train.dataset.cut import cut_patches
from kdsharp.train.dataset.patches import load_patches
from kdsharp.train.student.distill import cache_teacher_outputs
from kdsharp.train.student.label import label
from kdsharp.train.student.network import load_student
from kdsharp.train.teacher.network import load_teacher
from pipeline.evaluation.far import far_scores
from pipeline.evaluation.methods import load_methods, method_keys
from pipeline.evaluation.scoring import EvalPhoto, list_photos, score
from pipeline.params import load_params
from tests.integration.checkout import make_checkout
from tests.integration.servers import running_dask, workers_of
from tests.models import make_model
from tests.pipeline.evaluation.evaluated import make_checkout as make_evaluated

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PHOTOS = 238  # and two near duplicates
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
    for number in (3, 70):
        with Image.open(folder / f"{number:03}.jpg") as photo:
            photo.save(folder / f"{number:03} again.jpg", quality=60)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory, photos):
    """A checkout whose photos were taken in, and whose patches were cut, without the cluster."""
    checkout = make_checkout(tmp_path_factory.mktemp("here"), git=False)
    checkout.set(
        data__source="folder",
        data__folder__path=str(photos),
        data__folder__at_least=10,
        patches__train=800,
        patches__drawings=0.1,
        degradation__name="robust",
    )
    for name in ("acquire", "patches"):
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


def kill_a_busy_worker(cluster):
    """SIGKILL one as soon as there is one; its address."""
    worker, pid = busy_worker(cluster)
    os.kill(pid, signal.SIGKILL)
    return worker


def killed_in_the_middle(cluster, process):
    """The same, and wait for the end of the process that asked for the work."""
    worker = kill_a_busy_worker(cluster)
    assert process.poll() is None, "it was done too soon"
    assert process.wait(timeout=600) == 0
    assert worker not in workers_of(f"tcp://{cluster}")
    wait_for_all(cluster)


def wait_for_all(cluster):
    """Dask's nanny puts another process in the place of one that was killed."""
    assert len(workers_of(f"tcp://{cluster}", WORKERS)) == WORKERS


def test_photos_are_found_checked_and_hashed_alike(here, there, cluster):
    shutil.rmtree(there.root / "data/raw")
    alone = stage(there, "acquire")
    shutil.rmtree(there.root / "data/raw")
    done = stage(there, "acquire", KDSHARP_CLUSTER=f"dask://{cluster}")
    assert done.stdout == alone.stdout
    assert "broken.jpg" in done.stdout
    assert "4 photos in 2 groups" in done.stdout  # near duplicates, by their hashes
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


def test_a_killed_worker_leaves_the_same_numbers(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(make_evaluated(tmp_path))
    for number in range(40):
        make_photo(number, 48).save(f"data/raw/val/more {number}.png")
    photos = [*list_photos(), *(EvalPhoto("val", f"more {n}.png") for n in range(40))]
    params, killed = load_params(), []
    teacher, student = (
        load(f"models/{name}.safetensors")
        for name, load in (("teacher", load_teacher), ("student", load_student))
    )
    methods = load_methods(params, teacher, student)
    here = score(photos, methods, params.degradation)

    def kill_in_the_middle(done):
        if not killed and done >= 4:
            killed.append(kill_a_busy_worker(cluster))

    monkeypatch.setenv("KDSHARP_CLUSTER", f"dask://{cluster}")
    far = far_scores(params, method_keys(params))
    there = score(photos, methods, params.degradation, kill_in_the_middle, far=far)
    assert killed[0] not in workers_of(f"tcp://{cluster}")
    pd.testing.assert_frame_equal(there, here, check_exact=True)
    wait_for_all(cluster)


def test_a_killed_worker_leaves_the_same_answers(cluster, tmp_path, monkeypatch, photos):
    monkeypatch.chdir(make_evaluated(tmp_path))
    patches, teacher = Path("data/patches"), Path("models/teacher.safetensors")
    patches.mkdir(parents=True)
    some = sorted(photos.glob("0*.jpg"))
    cut_patches(some, 600, patches, "train", PatchesConfig(size=32), known_recipe("bicubic"), 2)
    config = dataclasses.replace(load_params().student, feature_weight=0.5, ensemble=True)
    asked = load_teacher(teacher)
    cache_teacher_outputs(asked, load_patches(patches, "train").lr_NHWC, config, Path("here"))
    monkeypatch.setenv("KDSHARP_CLUSTER", f"dask://{cluster}")
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill_a_busy_worker, cluster)
        label(teacher, patches, config, Path("there"))
    assert killed.result() not in workers_of(f"tcp://{cluster}")
    wait_for_all(cluster)
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert len(files(tmp_path / "here")) == 2


def test_a_folder_is_sharpened_alike(photos, tmp_path, cluster):
    model = make_model(tmp_path / "model")
    command = [sys.executable, "-m", "kdsharp", "sharpen", str(photos), "--model", str(model)]
    command += ["--engine", "onnxruntime"]
    checkout = make_checkout(tmp_path / "checkout", git=False)
    one = checkout.run(*command, "-o", f"{tmp_path}/one", code=2)
    process = checkout.start(
        *command, "-o", f"{tmp_path}/many", KDSHARP_CLUSTER=f"dask://{cluster}"
    )
    worker = kill_a_busy_worker(cluster)
    assert process.wait(timeout=300) == 2  # as for the one photo that is none
    assert worker not in workers_of(f"tcp://{cluster}")
    assert f"1 of {PHOTOS + 3} photos failed" in one.stderr
    assert len(files(tmp_path / "one")) == PHOTOS + 2
    assert files(tmp_path / "many") == files(tmp_path / "one")
    wait_for_all(cluster)
