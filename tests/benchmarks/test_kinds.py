import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks import kinds
from benchmarks.kinds_parts.recipes import KINDS
from benchmarks.kinds_parts.samples import Part, draw_parts
from kdsharp.errors import UserError
from kdsharp.kinds import gains_by_kind
from kdsharp.kinds import kinds as known_kinds


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(data.astronaut()).save(folder / "a.jpg")
    Image.fromarray(data.chelsea()).save(folder / "b.png")
    return sorted(folder.iterdir())


def drawn(photos, count, seed, workers=1):
    return draw_parts(photos, count, seed, workers, lambda: None)


def test_the_parts_follow_from_the_seed_on_any_number_of_workers(photos):
    one, two, other = (drawn(photos, 10, s, w) for s, w in ((1, 1), (1, 3), (2, 1)))
    for a, b in zip(one, two, strict=True):
        assert a.label == b.label
        np.testing.assert_array_equal(a.low, b.low)
        np.testing.assert_array_equal(a.high, b.high)
    assert [p.label for p in one] != [p.label for p in other]


def test_a_part_is_degraded_by_its_kind(photos):
    parts = drawn(photos, 12, 3)
    assert {part.low.shape == part.high.shape for part in parts} == {True}
    sharp = list(KINDS).index("sharp")
    assert {(part.label == sharp) == (part.low == part.high).all() for part in parts} == {True}


def test_what_ships_knows_the_kinds_that_are_here():
    assert known_kinds() == list(KINDS)


def test_the_file_has_the_gains(tmp_path, monkeypatch):
    monkeypatch.setattr(kinds, "FILE", tmp_path / "kinds.json")
    kinds.write_file({"x2": [0.5, -1.0], "x2-blocky": [0.25, 1]})
    found = json.loads((tmp_path / "kinds.json").read_text())
    assert found == {"kinds": list(KINDS), "gains": {"x2": [0.5, -1.0], "x2-blocky": [0.25, 1]}}


def test_psnr_is_that_of_studio_range():
    one = np.full((20, 20), 100, np.uint8)
    other = one + np.uint8(10)
    assert kinds.psnr(one, other) == pytest.approx(20 * np.log10(255 / (10 * 219 / 255)))
    assert kinds.psnr(one, one) == 60
    framed = one.copy()
    framed[:2] = framed[-2:] = 0
    assert kinds.psnr(framed, one) == 60


def test_the_table_has_a_row_for_each_kind_and_one_for_all(photos, capsys):
    parts = drawn(photos, 8, 4)
    kinds.report(parts, 1)
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("A choice takes ")
    out = out[:-2]
    rows = [line.split("|")[1].strip() for line in out[2:]]
    assert rows == [*(k for i, k in enumerate(KINDS) if i in {p.label for p in parts}), "all"]
    assert out[-1].split("|")[2].strip() == "8"


def test_gains_are_those_of_the_models_that_ship(tmp_path, monkeypatch):
    monkeypatch.setattr(kinds, "FILE", tmp_path / "kinds.json")
    plane = data.chelsea()[:128, :128, 1].copy()
    parts = [Part(label, plane, plane) for label in range(len(KINDS))]
    with pytest.raises(UserError, match="no part is phone: raise --parts from 31"):
        kinds.write_gains(parts[:-1], 1)
    kinds.write_gains(parts, 2)
    found = json.loads((tmp_path / "kinds.json").read_text())["gains"]
    assert set(found) == set(gains_by_kind())
    assert set(found["x2"]) == {-kinds.LARGEST}  # all of them were sharp
