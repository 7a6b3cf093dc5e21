import dataclasses

import pytest

from kdsharp.errors import KdsharpError
from kdsharp.runtime.card import read_card
from kdsharp.runtime.engine import load_engine
from kdsharp.train.export import add_upscalers as module
from kdsharp.train.export.add_upscalers import add_upscalers, check_upscaler
from tests.upscaling import INSTALLED, make_folder, make_student


def test_both_forms_are_written_and_the_students_own_files_stay(tmp_path):
    before = make_folder(tmp_path, make_student(3))
    bytes_before = {path.name: path.read_bytes() for path in tmp_path.glob("*.onnx")}
    card = add_upscalers(tmp_path, INSTALLED, 1e-4)
    assert read_card(tmp_path) == card
    assert dataclasses.replace(card, upscaler=None, upscaler_int8=None) == before
    assert card.upscaler.file == "upscaler.onnx"
    assert card.upscaler_int8.file == "upscaler_int8.onnx"
    assert card.upscaler.receptive_radius == card.upscaler_int8.receptive_radius == 5
    for name, content in bytes_before.items():
        assert (tmp_path / name).read_bytes() == content
    for name in INSTALLED:
        assert 0 < check_upscaler(load_engine(tmp_path, name), 1e-4) < 1e-5
    assert add_upscalers(tmp_path, INSTALLED, 1e-4) == card


def test_what_would_be_too_large_is_left_out(tmp_path):
    make_folder(tmp_path, make_student(2))
    card = add_upscalers(tmp_path, [], 1e-4)
    whole = sum(path.stat().st_size for path in tmp_path.iterdir())
    few = add_upscalers(tmp_path, [], 1e-4, largest=whole)
    assert (few.upscaler, few.upscaler_int8) == (None, card.upscaler_int8)
    assert not (tmp_path / "upscaler.onnx").exists()
    none = add_upscalers(tmp_path, [], 1e-4, largest=100)
    assert (none.upscaler, none.upscaler_int8) == (None, None)
    assert read_card(tmp_path) == none
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "card.json", "student.onnx", "student_int8.onnx",
    ]  # fmt: skip


def test_only_what_undoes_plain_enlarging_gets_them(tmp_path):
    card = make_folder(tmp_path, make_student(2), degradation="jpeg")
    assert add_upscalers(tmp_path, INSTALLED, 1e-4) == card


def test_a_file_that_computes_something_else_is_refused(tmp_path, monkeypatch):
    make_folder(tmp_path / "a", make_student(2))
    other = make_student(2)
    other.last.bias.data += 0.001
    make_folder(tmp_path / "b", other)
    write = module.write_upscaler
    monkeypatch.setattr(
        module,
        "write_upscaler",
        lambda source, target, grid: write(tmp_path / "b" / source.name, target, grid),
    )
    with pytest.raises(KdsharpError, match="enlarging in one step differs from two by"):
        add_upscalers(tmp_path / "a", ["onnxruntime"], 1e-4)


def test_a_folder_without_is_said(tmp_path):
    make_folder(tmp_path, make_student(2))
    with pytest.raises(KdsharpError, match="has no file that enlarges in fp32"):
        check_upscaler(load_engine(tmp_path, "onnxruntime"), 1e-4)
