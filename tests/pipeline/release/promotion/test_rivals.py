"""Versions that saw today's gate set are no evidence, and no bar."""

import shutil
from pathlib import Path

import pytest

from pipeline.release.gate.crops import cut_gate_set, load_gate_set
from pipeline.release.promotion.rivals import Rivals
from pipeline.release.registry.history import Entry, open_history
from pipeline.release.registry.versions import open_registry
from tests.pipeline.release.gated import BICUBIC, gate_params, photo
from tests.pipeline.release.promotion.registered import make_trained, register_student, train_on

NAME = "kdsharp-student-nano-x2"


@pytest.fixture
def rivals(tmp_path, monkeypatch):
    """Versions 1 to 3, of which 2 was trained on a photo that is in the gate set today."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    cut_gate_set([photo(Path("gate/7.png"), 7)], Path("data/gate"), gate_params(), BICUBIC)
    with open_registry() as registry:
        versions = []
        for seed, photos in enumerate([(1,), (1, 7), (1, 2)], start=1):
            make_trained(tmp_path, seed=seed)
            train_on(*photos)
            versions.append(register_student(registry, NAME))
        (tmp_path / "scratch").mkdir()
        said = []
        made = Rivals(registry, tmp_path / "scratch", load_gate_set(), 4, said.append)
        yield made, versions, open_history(registry, NAME), said


def in_production(history, *stack):
    was = stack[-2] if len(stack) > 1 else None
    number = history.last.number + 1
    history.append(Entry(number, "promote", stack, was, "", "ann", "", numbers={"now": 30.0}))


def test_a_leak_is_judged_by_version(rivals):
    made, (clean, seen, other), history, said = rivals
    assert made.leaks(clean, made.fetch(clean)) == ()
    (leak,) = made.leaks(seen, made.fetch(seen))
    assert leak == "7.png is also train/7.png (the same file)"
    # An incumbent that leaks is no bar: the one before it is.
    in_production(history, clean.number, seen.number)
    found, folder, passed_over = made.incumbent(history, other)
    assert (found.number, folder) == (clean.number, made.fetch(clean))
    assert "version 2, in production, was trained on photos of the gate set" in passed_over[0]
    assert said == [f"warning: {passed_over[0]}"]
    # Nor is it an anchor.
    in_production(history, clean.number, seen.number, other.number)
    assert made.anchors(history, {other.number}) == {("first", 1): made.fetch(clean)}
    in_production(history, seen.number)
    assert made.incumbent(history, other)[:2] == (None, None)
    assert made.anchors(history, set()) == {}


def test_who_does_not_say_is_judged_by_one_with_the_same_photos(rivals):
    made, (clean, seen, _), _, _ = rivals
    folder = shutil.copytree(made.fetch(seen), Path("without"))
    (folder / "photos.csv").unlink()
    assert made.leaks(seen, folder) is None
    assert made.leaks(clean, made.fetch(clean)) == ()
    # These tests have one data hash for all.
    assert made.leaks(seen, folder) == ()
