"""A small run on a tiny student: what is listed, what is left out, and that all of it runs."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.peers import BICUBIC, UNSHARP, peer_methods
from benchmarks.front import measure
from benchmarks.front.chain import Layer
from benchmarks.front.networks import SRCNN, chain_folder, network_methods, students
from kdsharp.errors import UserError
from kdsharp.runtime.card import read_card, write_card
from pipeline.params import EvaluateParams
from tests.models import make_model

TINY: tuple[Layer, ...] = ((1, 4, 3), (4, 1, 3))
ENGINES = ["onnxruntime"]
EVALUATE = EvaluateParams(
    unsharp_radius=1.0, unsharp_percent=80, panels=1, held_out="data/held_out"
)


@pytest.fixture
def listed(luma_model, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "missing_sizes", lambda scale, cards: ["deep-small"])
    monkeypatch.setattr(measure, "students", lambda extra: students(extra, tmp_path / "none"))
    with chain_folder(SRCNN, TINY) as srcnn:
        plan = measure.Plan([luma_model], srcnn, None, ENGINES, EVALUATE, tmp_path)
        yield measure.list_methods(plan, 2)


def test_what_is_missing_is_left_out_and_said(listed):
    methods, notes = listed
    rows = [(method.name, method.precision) for method in methods if method.group == "peer"]
    assert rows == [
        (BICUBIC, "8 bit"), (UNSHARP, "8 bit"), (SRCNN, "fp32"), (SRCNN, "int8"),
    ]  # fmt: skip
    assert ("model", "fp32") in [(method.name, method.precision) for method in methods]
    assert any("model: has no int8 file" in note for note in notes)
    assert sum("--peers" in note for note in notes) == 2  # OpenCV's files, and the others
    (said,) = [note for note in notes if note.startswith("deep-small-x2")]
    assert "does not ship yet, so its time is that of random weights" in said


def test_all_of_it_is_scored_and_timed(listed, tmp_path, picture, monkeypatch):
    methods, _ = listed
    monkeypatch.setitem(measure.SIZES, "720p", (6, 10))
    monkeypatch.setattr(measure, "LARGE_SIZE", (6, 10))
    path = tmp_path / "1.png"
    Image.fromarray(picture).save(path)
    quality = measure.measure_quality(methods, {"Set5": [path]}, 2)
    times, peaks = measure.measure_time(methods, methods[-1:], 1, [1], ["720p"])
    by_name = {method.name: method for method in quality}
    assert quality[by_name[BICUBIC]]["Set5"].psnr > quality[by_name["model"]]["Set5"].psnr > 20
    assert not {SRCNN, "deep-small-x2"} & set(by_name)  # their weights are random
    assert "deep-small-x2" in [method.name for method in times]
    assert {(1, "720p")} == {key for method in methods for key in times[method]}
    assert list(peaks) == [(methods[-1].precision, 1)]


def test_no_sizes_take_no_time(listed):
    assert measure.measure_time(listed[0], [], 1, [1], []) == ({}, {})


def test_shipped_students_for_plain_input_come_by_scale_and_size(tmp_path):
    make_model(tmp_path / "weights" / "small-x2")
    (tmp_path / "weights" / "notes").mkdir()
    noisy = make_model(tmp_path / "weights" / "small-x2-noisy")
    write_card(noisy, dataclasses.replace(read_card(noisy), degradation="noisy"))
    more = make_model(tmp_path / "mine")
    found = students([more], tmp_path / "weights")
    assert [name for name, _, _ in found] == ["small-x2", "mine"]
    with pytest.raises(UserError, match="no such model folder"):
        students([tmp_path / "nowhere"], tmp_path / "weights")


def test_a_chain_is_a_sound_model_folder_in_both_precisions():
    with chain_folder("tiny", TINY) as folder:
        assert read_card(folder).parameters == 4 * 9 + 4 + 4 * 9 + 1
        methods, notes = network_methods("tiny", folder, "peer", ENGINES)
        assert [method.precision for method in methods] == ["fp32", "int8"]
        assert notes == []
        fp32, int8 = (method.prepare(1, 5, 7)() for method in methods)
    assert isinstance(fp32, np.ndarray)
    assert isinstance(int8, np.ndarray)
    assert (fp32.dtype, fp32.shape) == (np.float32, (1, 1, 5, 7))
    assert (int8.dtype, int8.shape) == (np.uint8, (1, 1, 5, 7))


def test_peer_files_that_are_not_there_are_named(tmp_path):
    methods, notes = peer_methods(tmp_path, 3)
    assert methods == []
    assert "FSRCNN_x3.pb: is not in that folder." in notes
