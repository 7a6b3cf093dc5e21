import dataclasses
import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kdsharp.errors import UserError
from kdsharp.runtime.card import read_card, write_card
from kdsharp.runtime.engine import ENGINES, PRECISIONS, Engine, load_engine
from tests.models import make_card, make_model

INSTALLED = [name for name in ENGINES if importlib.util.find_spec(name)]
BOTH = pytest.mark.parametrize("name", INSTALLED)
CARD = make_card(Path(__file__))  # any file will do
SIZES = [(1, 1), (1, 2), (3, 1), (16, 16), (37, 53), (65, 32)]


def planes(height, width, channels=1, count=1):
    rng = np.random.default_rng(height * 100 + width)
    return rng.random((count, channels, height, width), dtype=np.float32)


@BOTH
@pytest.mark.parametrize("size", SIZES)
def test_any_size_keeps_its_size(luma_model, rgb_model, name, size):
    for folder, channels in ((luma_model, 1), (rgb_model, 3)):
        given_NCHW = planes(*size, channels, count=2)
        out_NCHW = load_engine(folder, name).run(given_NCHW)
        assert (out_NCHW.shape, out_NCHW.dtype) == (given_NCHW.shape, np.float32)
        assert np.abs(out_NCHW - given_NCHW).max() > 1e-4


@pytest.mark.skipif(len(INSTALLED) < 2, reason="needs both engines")
@pytest.mark.parametrize("size", SIZES)
def test_the_engines_agree(rgb_model, size):
    results = [load_engine(rgb_model, name).run(planes(*size, 3)) for name in INSTALLED]
    np.testing.assert_allclose(*results, atol=1e-5)


@BOTH
@pytest.mark.parametrize("size", SIZES)
def test_int8_takes_and_gives_8_bit_planes_of_any_size(int8_model, name, size):
    engine = load_engine(int8_model, name, precision="int8")
    assert (engine.name, engine.precision) == (name, "int8")
    given_NCHW = np.rint(planes(*size, count=2) * 255).astype(np.uint8)
    out_NCHW = engine.run8(given_NCHW)
    assert (out_NCHW.shape, out_NCHW.dtype) == (given_NCHW.shape, np.uint8)
    # The file of these tests computes in float between 8 bit at both ends.
    exact_NCHW = load_engine(int8_model, name).run8(given_NCHW)
    assert exact_NCHW.dtype == np.uint8
    assert np.abs(out_NCHW.astype(int) - exact_NCHW).max() <= 1
    odd_NCHW = np.asfortranarray(given_NCHW)
    np.testing.assert_array_equal(engine.run8(odd_NCHW), out_NCHW)


@BOTH
def test_int8_adds_to_float_planes_what_it_changes_at_8_bit(int8_model, name):
    engine = load_engine(int8_model, name, precision="int8")
    levels_NCHW = np.rint(planes(37, 53) * 255).astype(np.uint8)
    fine_NCHW = (levels_NCHW + planes(53, 37).reshape(levels_NCHW.shape) * 0.9 - 0.45) / 255
    fine_NCHW = fine_NCHW.clip(0, 1).astype(np.float32)
    change_NCHW = engine.run8(levels_NCHW).astype(int) - levels_NCHW
    out_NCHW = engine.run(fine_NCHW)
    assert out_NCHW.dtype == np.float32
    np.testing.assert_allclose(out_NCHW - fine_NCHW, change_NCHW / 255, atol=1e-6)


def test_a_precision_that_is_not_there(luma_model, int8_model):
    with pytest.raises(UserError, match="precision 'bf16' is unknown: choose auto, fp32 or int8"):
        load_engine(int8_model, precision="bf16")
    with pytest.raises(UserError, match="has no int8 model: choose precision fp32, or export"):
        load_engine(luma_model, precision="int8")


@BOTH
def test_an_int8_file_of_floats_is_one_line(tmp_path, name):
    card = read_card(make_model(tmp_path, int8=True))
    source = tmp_path / "student.onnx"
    int8 = dataclasses.replace(card.int8, file=source.name, sha256=card.sha256)
    write_card(tmp_path, dataclasses.replace(card, int8=int8))
    with pytest.raises(UserError, match=r"student\.onnx: ") as caught:
        load_engine(tmp_path, name, precision="int8")
    assert "\n" not in str(caught.value)


@BOTH
def test_several_threads_may_run_one_engine(luma_model, name):
    engine = load_engine(luma_model, name, threads=1)
    inputs = [planes(20 + i, 30 - i) for i in range(12)]
    expected = [engine.run(given_NCHW) for given_NCHW in inputs]
    with ThreadPoolExecutor(4) as pool:
        for result, alone in zip(pool.map(engine.run, inputs), expected, strict=True):
            np.testing.assert_allclose(result, alone, atol=1e-6)


def test_auto_takes_openvino_where_it_is_installed(luma_model, monkeypatch):
    assert load_engine(luma_model).name == INSTALLED[0]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert load_engine(luma_model).name == "onnxruntime"


def test_an_engine_that_is_not_there(luma_model, monkeypatch):
    with pytest.raises(UserError, match="engine 'cuda' is unknown: choose auto, openvino or"):
        load_engine(luma_model, "cuda")
    for name, install in (("openvino", "kdsharp[openvino]"), ("onnxruntime", "onnxruntime")):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(UserError) as caught:
            load_engine(luma_model, name)
        assert f"engine {name} is not installed: pip install" in str(caught.value)
        assert install in str(caught.value)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_are_positive(luma_model, threads):
    with pytest.raises(UserError, match="threads must be 1 or more"):
        load_engine(luma_model, threads=threads)


@BOTH
@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08"])
def test_a_file_that_is_no_model_is_one_line(tmp_path, name, content, capfd):
    (tmp_path / "student.onnx").write_bytes(content)
    write_card(tmp_path, make_card(tmp_path / "student.onnx"))
    with pytest.raises(UserError, match=f"student.onnx: cannot be run by {name}: ") as caught:
        load_engine(tmp_path, name)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@BOTH
def test_a_card_that_does_not_fit_the_file_is_one_line(tmp_path, name):
    make_model(tmp_path, color="rgb")
    write_card(tmp_path, make_card(tmp_path / "student.onnx", "luma"))
    with pytest.raises(UserError, match=r"student\.onnx: "):
        load_engine(tmp_path, name)


@pytest.mark.parametrize("shape", [(4, 4), (1, 3, 4, 4), (1, 1, 0, 4), (0, 1, 4, 4)])
def test_other_shapes_are_refused(shape):
    for precision in PRECISIONS:
        engine = Engine("none", CARD, lambda planes_NCHW: planes_NCHW, precision)
        with pytest.raises(ValueError, match="need planes"):
            engine.run(np.zeros(shape, np.float32))
        with pytest.raises(ValueError, match="need planes"):
            engine.run8(np.zeros(shape, np.uint8))


@pytest.mark.skipif("openvino" not in INSTALLED, reason="needs OpenVINO")
def test_openvino_reports_nothing_home(luma_model):
    code = (
        "import sys; from pathlib import Path; from kdsharp.runtime.engine import load_engine;"
        "load_engine(Path(sys.argv[1]), 'openvino');"
        "assert 'openvino.tools.ovc.telemetry_stub' in sys.modules;"
        "assert not any(name.startswith('openvino_telemetry') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(luma_model)], check=True)


@pytest.mark.skipif("openvino" not in INSTALLED, reason="needs OpenVINO")
def test_an_interrupt_is_an_interrupt_after_models_have_come_and_gone(luma_model):
    """OpenVINO would leave the thread a stack for signals that is no longer there."""
    code = (
        "import signal, sys, time\n"
        "from pathlib import Path\n"
        "from kdsharp.runtime.engine import load_engine\n"
        "first, second = (load_engine(Path(sys.argv[1]), 'openvino') for _ in range(2))\n"
        "del first\n"
        "del second\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    time.sleep(10)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(luma_model)], check=False)
    assert done.returncode == 7
