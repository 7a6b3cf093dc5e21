"""Trainings and folders in buckets: a real S3 server, DVC's own files on it, and a cluster."""

import shutil
import sys

import boto3
import pytest

from benchmarks.scale import make_photo
from tests.integration.checkout import make_checkout
from tests.integration.servers import BUCKET, running_dask, running_s3
from tests.integration.test_cluster import copy_of, files, stage
from tests.models import make_model

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


def test_a_folder_in_a_bucket_is_sharpened_alike_here_and_by_a_cluster(tmp_path, s3, monkeypatch):
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    bucket = boto3.client("s3")
    for number in range(20):
        photo = tmp_path / f"photos/{number % 3}/{number:02}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        make_photo(number, 96).save(photo, quality=95)
        bucket.upload_file(str(photo), BUCKET, photo.relative_to(tmp_path).as_posix())
    model = make_model(tmp_path / "model")
    checkout = make_checkout(tmp_path / "checkout", git=False)
    command = [sys.executable, "-m", "kdsharp", "sharpen", "--model", str(model)]
    command += ["--engine", "onnxruntime"]
    source = f"s3://{BUCKET}/photos"
    checkout.run(*command, f"{tmp_path}/photos", "-o", f"{tmp_path}/out/")
    checkout.run(*command, source, "-o", f"s3://{BUCKET}/alone/", **s3)
    with running_dask(2) as address:
        many = {"KDSHARP_CLUSTER": f"dask://{address}", **s3}
        checkout.run(*command, source, "-o", f"s3://{BUCKET}/many/", **many)
    expected = {path.as_posix(): data for path, data in files(tmp_path / "out").items()}
    assert len(expected) == 20
    for out in ("alone", "many"):
        assert held(bucket, f"{out}/") == expected
    done = checkout.run(*command, f"s3://{BUCKET}/nothing", "-o", "out/", code=2, **s3)
    assert f"s3:/{BUCKET}/nothing: has no photos" in done.stderr


def held(bucket, prefix):
    """What lies below `prefix`, by the rest of its name."""
    keys = [one["Key"] for one in bucket.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]]
    return {
        key.removeprefix(prefix): bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for key in keys
    }
