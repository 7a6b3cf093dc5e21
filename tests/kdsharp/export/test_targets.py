import base64
import json
import re

import numpy as np
import pytest
from onnxruntime import InferenceSession

from kdsharp.errors import UserError
from kdsharp.export.glsl import MOST_CHANNELS
from kdsharp.export.targets import TARGETS, export
from kdsharp.runtime.catalog import SHIPPED
from kdsharp.runtime.engine import load_engine
from kdsharp.runtime.model import LoadedModel

PLAYERS = {"binds": 16, "saved": 32}  # what mpv has room for


def directives(pass_):
    return re.findall(r"^//!(\w+) (.*)$", pass_, re.MULTILINE)


def passes_of(text):
    return ["//!DESC" + part for part in text.split("//!DESC")[1:]]


@pytest.mark.parametrize(
    ("model", "passes"), [("nano-x2", 11), ("small-x2", 19), ("large-x2", 35), ("nano-x4", 21)]
)
@pytest.mark.parametrize("upscale", [False, True])
def test_a_user_shader(tmp_path, model, passes, upscale):
    out = tmp_path / "x.glsl"
    made = export(SHIPPED / model, "glsl", out, upscale=upscale)
    text = out.read_text()
    assert (made.passes, made.size) == (passes, len(text))
    found = [directives(part) for part in passes_of(text)]
    assert len(found) == passes
    saved = set()
    for number, lines in enumerate(found):
        keys = [key for key, _ in lines]
        assert ("HOOK", "LUMA") in lines
        assert ("WHEN" in keys) == upscale
        binds = [value for key, value in lines if key == "BIND"]
        assert len(binds) <= PLAYERS["binds"]
        assert set(binds) <= saved | {"HOOKED"}
        saved |= {value for key, value in lines if key == "SAVE"}
        assert ("SAVE" in keys) == (number < passes - 1)
    assert len(saved) <= PLAYERS["saved"]


def test_a_student_of_rgb_hooks_the_whole_picture(student_folder, tmp_path):
    export(student_folder(2, "rgb"), "glsl", tmp_path / "x.glsl")
    text = (tmp_path / "x.glsl").read_text()
    assert "//!HOOK MAIN" in text
    assert "//!HOOK LUMA" not in text
    assert text.count("STRENGTH * detail") == 3


def test_strength_is_a_line_that_can_be_changed(student_folder, tmp_path):
    export(student_folder(), "glsl", tmp_path / "x.glsl", strength=0.5)
    assert "#define STRENGTH 0.5 //" in (tmp_path / "x.glsl").read_text()


@pytest.mark.parametrize("target", ["webgl2", "wgsl"])
@pytest.mark.parametrize("upscale", [False, True])
def test_a_module_holds_the_network(student_folder, tmp_path, target, upscale):
    folder = student_folder(3)
    export(folder, target, tmp_path / "x.js", upscale=upscale, strength=0.5)
    text = (tmp_path / "x.js").read_text()
    assert "__NETWORK__" not in text
    assert not re.search(r"https?:", text)
    network = json.loads(re.search(r"network = (\{.*?\n\});", text, re.DOTALL)[1])
    assert (network["times"], network["grid"], network["strength"]) == (3 if upscale else 1, 3, 0.5)
    numbers = np.frombuffer(base64.b64decode(network["weights"]), "<f4")
    assert len(numbers) == sum(
        4 * layer["outputs"] * (4 * layer["inputs"] * layer["side"] ** 2 + 1)
        for layer in network["layers"]
    )


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(("color", "strength"), [("luma", 1.0), ("luma", 0.4), ("rgb", 1.0)])
def test_the_model_for_servers_gives_what_the_engine_gives(
    student_folder, tmp_path, color, strength, precision
):
    folder = student_folder(2, color)
    export(folder, "onnx-nhwc", tmp_path / "x.onnx", strength=strength, precision=precision)
    session = InferenceSession(tmp_path / "x.onnx")
    single = LoadedModel(load_engine(folder, "onnxruntime", precision=precision), strength)
    for height, width in ((1, 1), (7, 5), (33, 47)):
        pixels = np.random.default_rng(1).integers(0, 256, (2, height, width, 3), np.uint8)
        (found,) = session.run(["output"], {"input": pixels})
        assert (found.dtype, found.shape) == (np.uint8, pixels.shape)
        expected = np.empty_like(pixels)
        for picture, out in zip(pixels, expected, strict=True):
            single.array(picture, out)
        differences = np.abs(found.astype(int) - expected)
        assert differences.max() <= 1
        assert np.mean(differences > 0) < 0.01


def test_openvino_runs_the_model_for_servers(student_folder, tmp_path):
    openvino = pytest.importorskip("openvino")
    export(student_folder(), "onnx-nhwc", tmp_path / "x.onnx")
    run = openvino.Core().compile_model(tmp_path / "x.onnx", "CPU")
    pixels = np.random.default_rng(1).integers(0, 256, (1, 33, 47, 3), np.uint8)
    (expected,) = InferenceSession(tmp_path / "x.onnx").run(None, {"input": pixels})
    found = run(pixels)[0]
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_two_exports_give_the_same_bytes(student_folder, tmp_path):
    for target in TARGETS:
        for name in ("a", "b"):
            export(student_folder(), target, tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("model", "target", "options", "message"),
    [
        ("nano-x2", "hlsl", {}, "target 'hlsl' is unknown: choose glsl, webgl2, wgsl, onnx-nhwc"),
        ("nano-x2", "glsl", {"strength": 3}, "strength must be from 0 to 2, not 3"),
        ("nano-x2", "glsl", {"precision": "int8"}, "glsl computes in floating point: leave out"),
        ("nano-x2", "glsl", {"precision": "int4"}, "precision 'int4' is unknown"),
        ("nano-x2", "onnx-nhwc", {"upscale": True}, "onnx-nhwc keeps the size: leave out --up"),
        ("large-x3", "glsl", {}, f"80 channels, and a player's shader .* most {MOST_CHANNELS}"),
        ("small-x2-noisy", "webgl2", {"upscale": True}, "cannot enlarge: it undoes noisy by 2"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, model, target, options, message):
    with pytest.raises(UserError, match=message):
        export(SHIPPED / model, target, tmp_path / "x", **options)
    assert list(tmp_path.iterdir()) == []
