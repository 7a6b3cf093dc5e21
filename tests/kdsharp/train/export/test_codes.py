import dataclasses
import importlib.util

import numpy as np
import onnx
import pytest
import torch

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.runtime.card import read_card
from kdsharp.runtime.engine import ENGINES, load_engine
from kdsharp.runtime.mixture import nearest
from kdsharp.train.export.codes import Looks, choose_codes, look_at, write_codes
from kdsharp.train.export.int8 import check_int8
from kdsharp.train.export.quantize import quantize
from tests.mixed import CONFIG, make_code_book, make_looks, make_student

INSTALLED = [name for name in ENGINES if importlib.util.find_spec(name)]


@pytest.fixture(scope="module")
def student():
    return make_student()


@pytest.fixture(scope="module")
def looks(student):
    return make_looks(student)


def lost(student, looks, codes):
    """Mean dB that patches lose by the nearest of `codes`, against their own mixtures."""
    points, total = np.array(codes), 0.0
    for low, high, shares in zip(looks.low, looks.high, looks.shares, strict=True):
        x, truth = (torch.from_numpy(p / np.float32(255))[None, None] for p in (low, high))
        code = points[nearest(points, tuple(shares))]
        errors = [
            ((student.folded(torch.tensor(s, dtype=torch.float32))(x).clamp(0, 1) - truth) ** 2)
            .mean()
            .item()
            + 1e-5
            for s in (code, shares)
        ]
        total += 10 * np.log10(errors[0] / errors[1])
    return total / len(looks.low)


def test_patches_get_the_shares_that_the_student_gives_them(student, looks):
    assert looks.shares.shape == (12, 3)
    assert len({tuple(shares) for shares in looks.shares}) > 3


def test_codes_are_mixtures_and_no_two_alike(student, looks):
    codes = choose_codes(student, looks, 5)
    assert len(set(codes)) == len(codes) == 5
    assert all(sum(code) == pytest.approx(1, abs=1e-9) for code in codes)
    assert all(round(100 * share) == pytest.approx(100 * share) for code in codes for share in code)


def test_the_first_is_the_best_single_one_and_more_lose_less(student, looks):
    (only,) = choose_codes(student, looks, 1)
    every = choose_codes(student, looks, 100)
    each = {code: lost(student, looks, [code]) for code in every}
    assert each[only] == pytest.approx(min(each.values()), abs=1e-4)
    assert each[only] > 0.001  # else nothing is at stake
    assert lost(student, looks, every) < 0.3 * each[only]
    assert lost(student, looks, choose_codes(student, looks, 4)) < 0.7 * each[only]


def test_that_of_most_patches_comes_first(student, looks):
    codes = choose_codes(student, looks, 4)
    points = np.array(codes)
    counts = np.bincount([nearest(points, tuple(s)) for s in looks.shares], minlength=4)
    assert list(counts) == sorted(counts, reverse=True)


def test_each_code_is_fitted_on_the_patches_nearest_to_it(student, looks, tmp_path):
    code = (0.2, 0.3, 0.5)
    away = ((looks.shares - np.array(code)) ** 2).sum(1)
    near = np.sort(np.argsort(away, kind="stable")[:4])
    write_codes(student, looks, [code], 4, tmp_path)
    plain = student.folded(torch.tensor(code))
    expected = quantize(plain, looks.low[near][:, None])
    stored = onnx.load(tmp_path / "student_int8.onnx").graph.initializer
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in stored}
    for index in range(3):
        weight, _ = expected.whole(index)
        np.testing.assert_array_equal(found[f"w{index}"], weight.detach().numpy())


@pytest.mark.parametrize("name", INSTALLED)
def test_every_code_is_proven(student, looks, tmp_path, name):
    folder = make_code_book(tmp_path / "model", student)
    made = write_codes(student, looks, choose_codes(student, looks, 3), 4, folder)
    engine = load_engine(folder, name, precision="int8")
    assert tuple(code for code, _ in made) == engine.card.mixture.codes
    for code, quantized in made:
        assert code.sha256 == sha256_file(folder / code.file)
        assert check_int8(quantized, engine.mixed(code.shares).run8) <= 1e-3


def test_any_number_of_convolutions_has_a_book(tmp_path):
    config = dataclasses.replace(CONFIG, convs=5, kernels=(3, 3, 3), mixture=2)
    folder = make_code_book(tmp_path / "model", make_student(config), 2)
    assert len(read_card(folder).mixture.codes) == 2
    x_NCHW = np.zeros((1, 1, 9, 7), np.uint8)
    assert load_engine(folder, precision="int8").run8(x_NCHW).shape == x_NCHW.shape


def test_the_same_student_gives_the_same_bytes(tmp_path):
    one, other = (make_code_book(tmp_path / name, make_student()) for name in "ab")
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    assert {"student_int8.onnx", "student_int8_1.onnx", "student_int8_2.onnx"} < set(names)
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_fewer_patches_than_codes_give_as_many_as_there_are(student, looks):
    few = Looks(looks.low[:2], looks.high[:2], looks.shares[:2])
    assert 1 <= len(choose_codes(student, few, 16)) <= 2


def test_without_patches_it_is_one_line(student):
    with pytest.raises(UserError, match=r"there are none: make patches \(dvc repro patches\)"):
        look_at(student, *np.zeros((2, 0, 40, 40), np.uint8))
