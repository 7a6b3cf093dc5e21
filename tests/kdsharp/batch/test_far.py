"""Photos that go to a cluster, and those that do not; the workers here are threads."""

import pickle
import shutil

import pytest

from kdsharp.batch import far
from kdsharp.batch.plan import Job
from kdsharp.batch.request import Request, sharpen_all
from kdsharp.cli.options import Load, Runtime
from kdsharp.errors import UserError


@pytest.fixture
def load(luma_model):
    runtime = Runtime(str(luma_model), engine="onnxruntime", quiet=True)
    return pickle.loads(pickle.dumps(Load(runtime)))


@pytest.fixture
def photos(tmp_path, photo):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        shutil.copy(photo, folder / f"{number}.png")
    (folder / "no.png").write_bytes(b"no photo")
    return folder


@pytest.fixture
def in_threads(monkeypatch):
    """A cluster that is this process: what went to it."""
    sent = []

    def spread(function, shards, *, shared):
        sent.append((pickle.loads(pickle.dumps(function)), shards, shared))
        return (function(item) for shard in shards for item in shard)

    monkeypatch.setattr(far, "spread", spread)
    monkeypatch.setenv("KDSHARP_CLUSTER", "dask://127.0.0.1:9")
    return sent


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_outputs_and_the_report_are_those_of_this_machine(
    tmp_path, photos, load, in_threads, monkeypatch, capsys
):
    told = {}
    for name in ("there", "here"):
        lines = told.setdefault(name, [])
        with pytest.raises(UserError, match="1 of 6 photos failed"):
            sharpen_all(Request([photos], f"{tmp_path}/{name}/", load), lines.append)
        assert "no.png" in capsys.readouterr().err
        monkeypatch.delenv("KDSHARP_CLUSTER", raising=False)
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert told["there"][:-1] == told["here"][:-1]  # but for the time
    ((_, (shard,), shared),) = in_threads
    assert len(shard) == 6
    assert shared == tmp_path / "there"


@pytest.mark.parametrize("why", ["--in-place", "--observe"])
def test_what_must_not_be_done_twice_stays_here(tmp_path, photos, load, in_threads, capsys, why):
    out, seen = (None, None) if why == "--in-place" else (f"{tmp_path}/out/", tmp_path / "seen")
    (photos / "no.png").unlink()
    sharpen_all(Request([photos], out, load, observe=seen), lambda line: None)
    assert f"kdsharp: {why} is done on this machine alone" in capsys.readouterr().err
    assert in_threads == []


def test_one_photo_stays_here(tmp_path, photo, load, in_threads):
    sharpen_all(Request([photo], str(tmp_path / "out.png"), load), lambda line: None)
    assert in_threads == []


def test_what_a_lost_worker_began_is_removed(tmp_path, photo, load, in_threads):
    job = Job(photo, tmp_path / "out.png")
    left = tmp_path / ".part-abcdefgh-out.png"
    left.write_bytes(b"half")
    assert [outcome.done.status for outcome in far.sharpen_far([job], load, None, None)] == [
        "written"
    ]
    assert not left.exists()
