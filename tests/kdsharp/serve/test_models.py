"""What is served, and the files of it that a browser takes."""

import json

import pytest

from kdsharp.errors import UserError
from kdsharp.export.targets import export
from kdsharp.runtime.catalog import SHIPPED, shipped_models
from kdsharp.serve.models import Models
from kdsharp.serve.settings import Settings
from tests.models import make_model
from tests.sets import write_shipped_set


@pytest.fixture(scope="module")
def shipped():
    from tests.kdsharp.serve.conftest import make_asked

    asked = make_asked("nano-x2")
    yield asked
    asked.service.close()


def test_the_folder_comes_first(tiny, luma_model):
    said = tiny.ask("GET", "/v1/models").json()
    assert said["default"] == "model"
    assert [one["name"] for one in said["models"]] == ["model", *shipped_models()]
    first = said["models"][0]
    assert (first["scale"], first["receptive_radius"], first["channels"]) == (2, 9, None)
    assert said["version"] == first["version"]


def test_what_a_model_says(shipped):
    said = shipped.ask("GET", "/v1/models").json()
    assert said["default"] == "nano-x2"
    (nano,) = (one for one in said["models"] if one["name"] == "nano-x2")
    assert (nano["channels"], nano["convs"], nano["scale"], nano["upscales"]) == (16, 3, 2, True)
    card = shipped.ask("GET", nano["card"])
    assert card.json() == json.loads((SHIPPED / "nano-x2/card.json").read_text())


@pytest.mark.parametrize("target", ["webgl2", "wgsl"])
def test_the_modules_are_those_of_the_export(shipped, tmp_path, target):
    for upscale in (False, True):
        export(SHIPPED / "nano-x2", target, tmp_path / "module.js", upscale=upscale)
        params = {"upscale": "true"} if upscale else {}
        answer = shipped.ask("GET", f"/v1/models/nano-x2/{target}", params=params)
        assert answer.content == (tmp_path / "module.js").read_bytes()
        assert answer.headers["content-type"].startswith("text/javascript")


def test_a_file_has_a_tag(shipped):
    answer = shipped.ask("GET", "/v1/models/nano-x2/onnx")
    assert answer.content == (SHIPPED / "nano-x2/student.onnx").read_bytes()
    tag = {"If-None-Match": f'"other", {answer.headers["etag"]}'}
    again = shipped.ask("GET", "/v1/models/nano-x2/onnx", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    other = shipped.ask("GET", "/v1/models/nano-x2/card", headers=tag)
    assert other.status_code == 200


def test_a_size_is_its_plain_model(shipped):
    one, other = (shipped.ask("GET", f"/v1/models/{n}/onnx") for n in ("nano", "nano-x2"))
    assert one.content == other.content


@pytest.mark.parametrize("name", ["no-such", "..", "%2e%2e", "..%2fetc", "nano-x2%00"])
def test_unknown_models(shipped, name):
    answer = shipped.ask("GET", f"/v1/models/{name}/card")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


def test_what_no_browser_runs_says_why(tiny, luma_model):
    answer = tiny.ask("GET", "/v1/models/model/webgl2", params={"upscale": "true"})
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("model")


def test_what_the_pipeline_left_is_served(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Models(Settings(engine="onnxruntime", model="nano-x2")).folder is None
    make_model(tmp_path / "models/export")
    assert Models(Settings(engine="onnxruntime")).default == "export"
    make_model(tmp_path / "models/production", seed=2)
    assert Models(Settings(engine="onnxruntime")).default == "production"
    monkeypatch.setenv("KDSHARP_MODEL", "nano-x2")
    assert Models(Settings(engine="onnxruntime")).default == "nano-x2"


def test_a_folder_may_have_any_name(made, tmp_path, jpeg):
    asked = made(make_model(tmp_path / "модель 1"))
    answer = asked.ask("POST", "/v1/sharpen", content=jpeg)
    assert answer.status_code == 200
    assert answer.headers["x-kdsharp-model"] == "%D0%BC%D0%BE%D0%B4%D0%B5%D0%BB%D1%8C 1"
    assert asked.ask("GET", "/v1/models/модель 1/card").status_code == 200


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    folder = make_model(tmp_path / "mine")
    (folder / "student.onnx").write_bytes(b"garbage")
    with pytest.raises(UserError, match=f"{folder}/student.onnx: is damaged"):
        Models(Settings(model=str(folder)))


def test_a_set_is_served_under_its_name(made, tmp_path, jpeg):
    models = {"small-x2": "small-x2", "mine": "small-x2-blocky"}
    asked = made(model=write_shipped_set(tmp_path / "ours", models))
    assert asked.ask("GET", "/v1/models").json()["default"] == "ours"
    for query in ({}, {"model": "ours"}):
        answer = asked.ask("POST", "/v1/sharpen", content=jpeg, params=query)
        assert answer.status_code == 200
        assert answer.headers["x-kdsharp-route"] in ("routed", "unchanged")
