"""A model folder that is replaced, by a model and by garbage."""

import asyncio
import gc
import shutil

import pytest

from kdsharp.errors import UserError
from kdsharp.files import atomic_dir
from kdsharp.runtime.card import read_card
from kdsharp.serve.snapshot import Snapshot, signature
from tests.models import make_model

SHARPEN, READY = "/v1/sharpen", "/v2/health/ready"


@pytest.fixture
def folder(tmp_path):
    return make_model(tmp_path / "production", seed=1)


def version(folder):
    return read_card(folder).sha256[:12]


def replace(folder, seed):
    with atomic_dir(folder) as new:
        make_model(new, seed=seed)


def look(asked):
    asyncio.run(asked.service.watch.look())


def test_a_promotion_is_taken(made, folder, png):
    asked = made(folder)
    first = asked.ask("POST", SHARPEN, content=png)
    look(asked)
    assert asked.ask("POST", SHARPEN, content=png).content == first.content
    replace(folder, seed=2)
    assert asked.ask("POST", SHARPEN, content=png).content == first.content  # not seen yet
    look(asked)
    second = asked.ask("POST", SHARPEN, content=png)
    assert second.headers["x-kdsharp-version"] == version(folder)
    assert second.content != first.content
    assert asked.ask("GET", READY).json()["version"] == version(folder)
    said = asked.service.metrics.page().decode()
    assert 'kdsharp_swaps_total{result="taken"} 1.0' in said
    assert said.count("kdsharp_model_info{") == 1
    tag = asked.ask("GET", "/v1/models/production/card").headers["etag"]
    assert tag.startswith(f'"{version(folder)}')


@pytest.mark.parametrize("garbage", ["file", "card", "gone", "empty", "cut"])
def test_garbage_is_not(made, folder, png, garbage):
    asked = made(folder)
    first = asked.ask("POST", SHARPEN, content=png)
    if garbage == "file":
        (folder / "student.onnx").write_bytes(b"garbage")
    elif garbage == "card":
        (folder / "card.json").write_text("{")
    elif garbage == "cut":
        whole = (folder / "student.onnx").read_bytes()
        (folder / "student.onnx").write_bytes(whole[:-9])
    else:
        shutil.rmtree(folder)
        if garbage == "empty":
            folder.mkdir()
    look(asked)
    again = asked.ask("POST", SHARPEN, content=png)
    assert (again.content, again.headers) == (first.content, first.headers)
    ready = asked.ask("GET", READY)
    assert ready.status_code == 200  # it works: taking it away would help nobody
    assert ready.json()["problem"].startswith(str(folder))
    assert "kdsharp-model-" not in ready.json()["problem"]
    shutil.rmtree(folder, ignore_errors=True)
    make_model(folder, seed=3)
    look(asked)
    assert asked.ask("GET", READY).json()["problem"] is None
    assert asked.ask("POST", SHARPEN, content=png).headers["x-kdsharp-version"] == version(folder)


def test_a_copy_is_whole_and_goes_with_its_object(folder):
    snapshot = Snapshot(folder)
    copy = snapshot.folder
    assert (snapshot.name, snapshot.version) == ("production", version(folder))
    shutil.rmtree(folder)
    assert read_card(copy) == snapshot.card
    del snapshot
    gc.collect()
    assert not copy.parent.exists()


def test_a_copy_of_nothing(tmp_path):
    with pytest.raises(UserError, match="no such model folder"):
        Snapshot(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"{tmp_path}/empty: not a model folder"):
        Snapshot(tmp_path / "empty")


def test_a_signature_changes_with_any_file(folder):
    before = signature(folder)
    assert before == signature(folder)
    (folder / "README.md").write_text("new")
    assert signature(folder) != before
    assert signature(folder / "none") == ()
