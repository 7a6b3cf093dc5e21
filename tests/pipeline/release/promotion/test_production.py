import json
import shutil

import pytest

from kdsharp.errors import KdsharpError
from kdsharp.files import sha256_file
from kdsharp.runtime import hardware
from pipeline.release.promotion.production import _is_served, serve, served_files
from pipeline.release.registry.names import production_folder
from pipeline.release.registry.versions import STAGE_ENTRY, Version
from tests.models import make_model

NAME = "kdsharp-student"


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """Two versions of one network as the store gives them: with its int8 file and without."""
    monkeypatch.chdir(tmp_path)
    versions = []
    for number, int8 in enumerate((True, False), start=1):
        folder = make_model(tmp_path / f"files{number}", int8=int8)
        for name in ("student.safetensors", "student.csv", STAGE_ENTRY):
            (folder / name).write_text(name)
        files = {path.name: sha256_file(path) for path in folder.iterdir()}
        tags = {"kdsharp.files": json.dumps(files)}
        versions.append((Version(NAME, number, tags, 0, "models:/m-1", None), folder))
    return versions


def test_a_model_folder_is_served_whole(registered):
    (both, files), (plain, _) = registered
    assert sorted(served_files(both)) == ["card.json", "student.onnx", "student_int8.onnx"]
    assert sorted(served_files(plain)) == ["card.json", "student.onnx"]
    assert not _is_served(both)
    serve(both, files)
    for name in served_files(both):
        assert (production_folder(NAME) / name).read_bytes() == (files / name).read_bytes()
    assert _is_served(both)


def test_the_int8_file_tells_versions_apart(registered):
    (both, files), (plain, plain_files) = registered
    serve(both, files)
    assert not _is_served(plain)
    serve(plain, plain_files)
    assert _is_served(plain)
    assert not _is_served(both)


@pytest.mark.parametrize("name", ["student.onnx", "student_int8.onnx", "card.json"])
def test_a_folder_that_is_not_whole_is_not_served(registered, name):
    both, files = registered[0]
    serve(both, files)
    (production_folder(NAME) / name).write_bytes(b"damaged")
    assert not _is_served(both)
    shutil.copy(files / name, production_folder(NAME))
    assert _is_served(both)
    (production_folder(NAME) / name).unlink()
    assert not _is_served(both)


@pytest.mark.parametrize("flags", [{"avx512_vnni"}, set()])
def test_it_is_tried_out_as_its_users_run_it(registered, monkeypatch, flags):
    """A file in int8 that does not run is noticed where people get int8."""
    pytest.importorskip("openvino")
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset(flags))
    both, files = registered[0]
    shutil.copy(files / "student.onnx", files / "student_int8.onnx")
    card = json.loads((files / "card.json").read_text())
    card["int8"]["sha256"] = sha256_file(files / "student_int8.onnx")
    (files / "card.json").write_text(json.dumps(card))
    if flags:
        with pytest.raises(KdsharpError, match="does not work in"):
            serve(both, files)
    else:
        serve(both, files)
