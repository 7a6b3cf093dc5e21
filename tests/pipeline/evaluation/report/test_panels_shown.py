import itertools

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kdsharp.metrics import METRICS
from pipeline.evaluation.report.panels import TITLES, choose, file_names, show
from pipeline.evaluation.scoring import EvalPhoto, load_pair, score
from tests.pipeline.evaluation.evaluated import NASTY, make_checkout


def gains(values):
    """A table of results in which the student's gain is given by (split, name)."""
    rows = [
        {"split": split, "name": name, "method": method, "gain_y": gain if ours else 0.0}
        for (split, name), gain in values.items()
        for method, ours in (("input", False), ("student", True))
    ]
    return pd.DataFrame(rows).assign(**dict.fromkeys(METRICS, 1.0))


TABLE = gains(
    {
        ("val", "v.png"): -9.0,
        ("test", "a.png"): 0.2,
        ("test", "b.png"): 0.3,
        ("test", "c.png"): -0.1,
        ("test", "d.png"): 0.9,
    }
)


def names(chosen):
    return [f"{photo.split}/{photo.name}" for photo in chosen]


def test_worst_and_best_of_test_are_always_among_the_chosen():
    assert names(choose(TABLE, 3)) == ["test/a.png", "test/c.png", "test/d.png"]
    remarks = choose(TABLE, 3)
    assert "smallest" in remarks[EvalPhoto("test", "c.png")]
    assert "largest" in remarks[EvalPhoto("test", "d.png")]
    assert remarks[EvalPhoto("test", "a.png")] == ""


def test_validation_comes_after_test_and_no_more_than_there_are():
    every = ["test/a.png", "test/b.png", "test/c.png", "test/d.png", "val/v.png"]
    assert names(choose(TABLE, 5)) == names(choose(TABLE, 99)) == every
    assert choose(TABLE, 0) == {}


def test_a_single_test_photo_is_neither_worst_nor_best():
    chosen = choose(gains({("test", "a.png"): 0.1, ("val", "b.png"): 0.2}), 6)
    assert set(chosen.values()) == {""}


def test_file_names_are_plain_and_differ():
    hard = [
        NASTY,
        "../../x.png",
        "a.png",
        "a.jpg",
        "A.png",
        "x" * 300,
        "sub/a.png",
        "写真.png",
        ".",
    ]
    photos = [EvalPhoto(s, n) for s, n in itertools.product(("test", "val"), hard)]
    found = file_names(photos)
    assert found[EvalPhoto("test", "a.png")] == "test-a.png"
    assert found[EvalPhoto("test", "a.jpg")] == "test-a-2.png"
    assert len({name.casefold() for name in found.values()}) == len(photos)
    for name in found.values():
        assert len(name.encode()) < 140
        assert not set(name) & set("/\\<>&\"' ")
        assert name.startswith(("test-", "val-"))


@pytest.fixture
def shown(tmp_path, monkeypatch):
    monkeypatch.chdir(make_checkout(tmp_path))
    from pipeline.params import load_params

    degradation = load_params().degradation
    methods = {
        "input": lambda low: low,
        "teacher": lambda low: low,
        "student": lambda low: low // 2,
    }
    photo = EvalPhoto("test", "a.png")
    table = score([photo, EvalPhoto("val", "a.png")], methods, degradation)
    return show(photo, methods, table, degradation, "why"), load_pair(photo, degradation), table


def test_shown_has_every_picture_with_its_scores(shown):
    found, (low, truth), table = shown
    assert list(found.pictures) == list(TITLES)
    assert np.array_equal(np.asarray(found.pictures["input"]), low)
    assert np.array_equal(np.asarray(found.pictures["student"]), low // 2)
    assert np.array_equal(np.asarray(found.pictures["truth"]), truth)
    rows = table[table["split"] == "test"].set_index("method")
    assert found.scores["student"]["psnr_y"] == rows.loc["student", "psnr_y"]
    assert found.remark == "why"


def test_detail_lies_within_the_picture(shown):
    left, top, width, height = shown[0].box
    picture: Image.Image = shown[0].pictures["truth"]
    assert (width, height) == (64, 48) == picture.size
    assert (left, top) == (0, 0)
