import io
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from kdsharp.batch.bucket import delivered, exists, fetched, in_bucket
from kdsharp.batch.plan import plan
from kdsharp.batch.request import Request, sharpen_all
from kdsharp.errors import TransientError, UserError
from kdsharp.sharpening.sharpener import Sharpener
from tests.models import make_model


@pytest.fixture
def bucket():
    """Photos in fsspec's memory: two in a folder, a hidden one, and a file that is none."""
    files = fsspec.filesystem("memory")
    files.rm("/", recursive=True) if files.find("/") else None
    for number, name in enumerate(("a.png", "sub/b.png", ".hidden/c.png")):
        opened = io.BytesIO()
        noise = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(noise).save(opened, "PNG")
        files.pipe_file(f"/photos.v2/{name}", opened.getvalue())
    files.pipe_file("/photos.v2/notes.txt", b"none")
    return files


def request(tmp_path, source, out, **more):
    model = make_model(tmp_path / "model")
    load = lambda streams: Sharpener(str(model), engine="onnxruntime", streams=streams)  # noqa: E731
    return Request([Path(source)], out, load, **more)


@pytest.mark.parametrize(
    ("path", "far"),
    [
        ("s3://b/c.jpg", True),
        ("memory:/b", True),
        ("C:/b", False),
        ("/s3:/b", False),
        ("s3", False),
    ],
)
def test_an_address_is_none_of_this_machine(path, far):
    assert in_bucket(Path(path)) == far


def test_a_folder_keeps_its_tree(bucket):
    jobs = plan([Path("memory://photos.v2")], "memory://out/")
    pairs = [(job.source.as_posix(), job.target.as_posix()) for job in jobs]
    assert pairs == [
        ("memory:/photos.v2/a.png", "memory:/out/a.png"),
        ("memory:/photos.v2/sub/b.png", "memory:/out/sub/b.png"),
    ]


def test_photos_go_from_bucket_to_bucket_as_from_folder_to_folder(bucket, tmp_path):
    bucket.get("/photos.v2/", str(tmp_path / "photos"), recursive=True)
    said = []
    sharpen_all(request(tmp_path, "memory://photos.v2", "memory://out/"), said.append)
    sharpen_all(request(tmp_path, tmp_path / "photos", f"{tmp_path}/out/"), said.append)
    for name in ("a.png", "sub/b.png"):
        assert bucket.cat_file(f"/out/{name}") == (tmp_path / "out" / name).read_bytes()
    assert len(bucket.find("/out")) == 2
    before = bucket.modified("/out/a.png")
    again = request(tmp_path, "memory://photos.v2", "memory://out/", skip_existing=True)
    sharpen_all(again, said.append)
    assert bucket.modified("/out/a.png") == before


def test_one_photo_goes_to_one_address(bucket, tmp_path):
    sharpen_all(request(tmp_path, "memory://photos.v2/a.png", "memory://one.png"), print)
    assert exists(Path("memory://one.png"))


def test_a_damaged_photo_is_named_by_its_address_and_the_rest_are_done(bucket, tmp_path, capsys):
    bucket.pipe_file("/photos.v2/a.png", b"none")
    with pytest.raises(UserError, match="1 of 2 photos failed"):
        sharpen_all(request(tmp_path, "memory://photos.v2", "memory://out/"), print)
    said = capsys.readouterr().err
    assert said.startswith("kdsharp: memory:/photos.v2/a.png: ")
    assert "/tmp" not in said
    assert exists(Path("memory://out/sub/b.png"))


def test_what_fails_is_not_delivered(bucket):
    with (
        pytest.raises(UserError, match=r"memory:/out\.png is bad"),
        delivered(Path("memory://out.png")) as here,
    ):
        here.write_bytes(b"half")
        raise UserError(f"{here} is bad")
    assert not exists(Path("memory://out.png"))


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("memory://none.png", UserError, "there is no such file in the bucket"),
        ("nothing://b/a.png", UserError, "is no address that is known"),
    ],
)
def test_what_cannot_be_fetched_is_a_line(bucket, source, error, said):
    with pytest.raises(error, match=said), fetched(Path(source)):
        pass


def test_a_bucket_that_does_not_answer_may_pass(bucket, monkeypatch):
    def fail(*_):
        raise RuntimeError("connection lost")

    monkeypatch.setattr(type(bucket), "get_file", fail)
    with (
        pytest.raises(TransientError, match=r"a\.png: the bucket does not answer \(connection"),
        fetched(Path("memory://photos.v2/a.png")),
    ):
        pass


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UserError, match=r"pip install 'kdsharp\[bucket\]'"):
        exists(Path("s3://bucket/a.png"))


def test_what_needs_files_of_this_machine_is_refused(bucket, tmp_path):
    with pytest.raises(UserError, match="--observe needs files of this machine"):
        sharpen_all(
            request(tmp_path, "memory://photos.v2", "memory://out/", observe=tmp_path), print
        )
    with pytest.raises(UserError, match="--in-place needs files of this machine"):
        sharpen_all(request(tmp_path, "memory://photos.v2", None), print)


def test_a_folder_without_photos_is_refused(bucket):
    bucket.pipe_file("/empty/notes.txt", b"none")
    with pytest.raises(UserError, match="has no photos"):
        plan([Path("memory://empty")], "memory://out/")
