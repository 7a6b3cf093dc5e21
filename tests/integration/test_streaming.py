"""Trainings that read their patches from a bucket: a real S3 server, and DVC's own files on it."""

import shutil
import sys

import pytest

from benchmarks.scale import make_photo
from tests.integration.checkout import make_checkout
from tests.integration.servers import BUCKET, running_s3
from tests.integration.test_cluster import copy_of, files, stage

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PHOTOS = 80
ALONE = {"OMP_NUM_THREADS": "1"}  # threads that wait for each other suffer where others run beside


@pytest.fixture(scope="module")
def s3():
    with running_s3() as variables:
        yield variables | {"KDSHARP_DVC_REMOTE": f"s3://{BUCKET}/dvc"}


@pytest.fixture(scope="module")
def here(tmp_path_factory, s3):
    """A checkout with patches in several shards, which DVC has pushed to the bucket."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    folder.mkdir()
    for number in range(PHOTOS):
        make_photo(number, 96).save(folder / f"{number:03}.jpg", quality=95)
    (folder / "unlabelled").mkdir()
    for number in range(3):
        make_photo(1000 + number, 96).save(folder / f"unlabelled/{number}.png")
    checkout = make_checkout(tmp_path_factory.mktemp("here"), git=False)
    checkout.set(
        data__source="folder",
        data__folder__path=str(folder),
        data__folder__at_least=10,
        patches__train=80,
        patches__unlabelled=6,
        teacher__arch="none",
        teacher__loop__epochs=1,
    )
    checkout.run("dvc", "repro", "patches", "needs", "environment")
    configure = "from pipeline.workspace.dag import configure_remote; configure_remote()"
    checkout.run(sys.executable, "-c", configure, **s3)
    checkout.run("dvc", "push", "data/patches", **s3)
    return checkout


@pytest.fixture
def there(here, tmp_path):
    """A copy of it that has no patches, neither in place nor in DVC's cache."""
    checkout = copy_of(here, tmp_path / "there")
    shutil.rmtree(checkout.root / "data/patches")
    shutil.rmtree(checkout.root / ".dvc/cache")
    return checkout


def test_a_training_from_a_bucket_ends_with_the_same_bytes(here, there, s3):
    for name in ("teacher", "student"):
        stage(here, name, **ALONE)
        stage(there, name, KDSHARP_PATCHES="remote", **s3, **ALONE)
        models = (checkout.root / f"models/{name}.safetensors" for checkout in (here, there))
        near, far = (path.read_bytes() for path in models)
        assert near == far, name
        curves = (checkout.root / f"reports/curves/{name}.csv" for checkout in (here, there))
        near, far = (path.read_text() for path in curves)
        assert near == far
    assert len(files(here.root / "data/patches")) > 6  # in several shards
    assert not (there.root / "data/patches").exists()


def test_what_is_missing_is_said_in_a_line(there, s3):
    far = {"KDSHARP_PATCHES": "remote", **s3}
    done = stage(there, "teacher", 2, KDSHARP_PATCHES="s3")
    assert "KDSHARP_PATCHES is 's3': it must be remote" in done.stderr
    done = stage(there, "teacher", 2, **far | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert "DVC's remote does not give the list of data/patches" in done.stderr
    lock = there.root / "dvc.lock"
    lock.write_text(lock.read_text().replace("data/patches", "data/others"))
    done = stage(there, "teacher", 2, **far)
    assert "dvc.lock does not name data/patches" in done.stderr
