"""KServe V2, with numbers in JSON and with bytes behind it."""

import json

import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.runtime.card import read_card
from kdsharp.serve.tensors import LENGTH

INFER = "/v2/models/model/infer"


@pytest.fixture
def expected(picture, luma_model):
    return Sharpener(luma_model, engine="onnxruntime").array(picture)


def in_json(picture, **more):
    tensor = {"name": "input", "datatype": "UINT8", "shape": list(picture.shape)}
    return {"inputs": [{**tensor, "data": picture.ravel().tolist()}], **more}


def in_bytes(picture, **more):
    size = {"binary_data_size": picture.nbytes}
    tensor = {"name": "input", "datatype": "UINT8", "shape": list(picture.shape)}
    head = json.dumps({"inputs": [{**tensor, "parameters": size}], **more}).encode()
    return {"content": head + picture.tobytes(), "headers": {LENGTH: str(len(head))}}


def test_numbers(tiny, picture, expected, luma_model):
    answer = tiny.ask("POST", INFER, json=in_json(picture[None], id="7"))
    said = answer.json()
    assert (said["model_name"], said["id"]) == ("model", "7")
    assert said["model_version"] == read_card(luma_model).sha256[:12]
    assert answer.headers["x-kdsharp-version"] == said["model_version"]
    (output,) = said["outputs"]
    assert (output["name"], output["datatype"]) == ("output", "UINT8")
    np.testing.assert_array_equal(np.reshape(output["data"], output["shape"]), expected[None])


def test_nested_numbers(tiny, picture, expected):
    asked = in_json(picture)
    asked["inputs"][0]["data"] = picture.tolist()
    (output,) = tiny.ask("POST", INFER, json=asked).json()["outputs"]
    assert output["shape"] == list(picture.shape)
    np.testing.assert_array_equal(np.reshape(output["data"], output["shape"]), expected)


def test_bytes(tiny, picture, expected):
    two = np.stack([picture, picture[::-1]])
    answer = tiny.ask("POST", INFER, **in_bytes(two, parameters={"binary_data_output": True}))
    end = int(answer.headers[LENGTH])
    (output,) = json.loads(answer.content[:end])["outputs"]
    found = np.frombuffer(answer.content[end:], np.uint8).reshape(output["shape"])
    assert output["parameters"]["binary_data_size"] == two.nbytes
    np.testing.assert_array_equal(found[0], expected)
    only = {"outputs": [{"name": "output", "parameters": {"binary_data": True}}]}
    assert tiny.ask("POST", INFER, **in_bytes(two, **only)).content[end:]
    assert tiny.ask("POST", INFER, **in_bytes(two)).json()["outputs"][0]["data"]


def test_strength(tiny, picture):
    answer = tiny.ask("POST", INFER, json=in_json(picture, parameters={"strength": 0}))
    assert answer.json()["outputs"][0]["data"] == picture.ravel().tolist()


def test_crisp(tiny, picture, luma_model):
    parameters = {"strength": 0, "crisp": 0.5}
    answer = tiny.ask("POST", INFER, json=in_json(picture, parameters=parameters))
    expected = Sharpener(luma_model, engine="onnxruntime", strength=0, crisp=0.5).array(picture)
    assert answer.json()["outputs"][0]["data"] == expected.ravel().tolist()


def test_what_is_there(tiny, luma_model):
    version = read_card(luma_model).sha256[:12]
    assert tiny.ask("GET", "/v2").json()["extensions"] == ["binary_tensor_data"]
    assert tiny.ask("GET", "/v2/health/live").json() == {"live": True}
    assert tiny.ask("GET", "/v2/health/ready").json()["version"] == version
    about = tiny.ask("GET", "/v2/models/model").json()
    assert about["inputs"] == [{"name": "input", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    assert about["versions"] == [version]
    for path in ("", "/ready", f"/versions/{version}", f"/versions/{version}/ready"):
        assert tiny.ask("GET", f"/v2/models/model{path}").status_code == 200
    for path in ("no-such", "no-such/ready", "model/versions/1", "model/versions/1/ready"):
        assert tiny.ask("GET", f"/v2/models/{path}").status_code == 404
    assert tiny.ask("POST", "/v2/models/no-such/infer", json={}).status_code == 404


def changed(**tensor):
    def change(asked):
        asked["inputs"][0].update(tensor)
        return asked

    return change


WRONG = [
    lambda asked: [],
    lambda asked: {},
    lambda asked: {**asked, "inputs": asked["inputs"] * 2},
    lambda asked: {**asked, "inputs": ["input"]},
    lambda asked: {**asked, "parameters": 7},
    lambda asked: {**asked, "parameters": {"strength": "all"}},
    lambda asked: {**asked, "parameters": {"strength": True}},
    lambda asked: {**asked, "parameters": {"strength": 2.1}},
    lambda asked: {**asked, "parameters": {"crisp": 1.1}},
    lambda asked: {**asked, "parameters": {"crisp": "much"}},
    lambda asked: {**asked, "outputs": [{"name": "other"}]},
    lambda asked: {**asked, "outputs": "output"},
    changed(name="other"),
    changed(datatype="FP32"),
    changed(shape=[1]),
    changed(shape=[2, 2, 4]),
    changed(shape=[-1, -12, 3]),
    changed(shape=[True, 12, 3]),
    changed(shape=[10**9, 10**9, 3]),
    changed(shape="all"),
    changed(data=[1, 2]),
    changed(data=[256] * 36),
    changed(data=[-1] * 36),
    changed(data=[0.5] * 36),
    changed(data=["a"] * 36),
    changed(data=[[1], [2, 3]]),
    changed(data=None),
    changed(data={}),
]


@pytest.mark.parametrize("change", WRONG)
def test_wrong_requests(tiny, change):
    asked = change(in_json(np.zeros((3, 4, 3), np.uint8)))
    answer = tiny.ask("POST", INFER, json=asked)
    assert answer.status_code in (400, 413), answer.text
    assert set(answer.json()) == {"error"}


def test_wrong_bytes(tiny, picture):
    whole = in_bytes(picture)
    for content, length in (
        (whole["content"][:-1], whole["headers"][LENGTH]),
        (whole["content"], "-1"),
        (whole["content"], "9999999"),
        (whole["content"], "x"),
        (whole["content"], "3"),
        (b"[" * 100_000, None),
    ):
        headers = {LENGTH: length} if length else {}
        answer = tiny.ask("POST", INFER, content=content, headers=headers)
        assert (answer.status_code, set(answer.json())) == (400, {"error"})
