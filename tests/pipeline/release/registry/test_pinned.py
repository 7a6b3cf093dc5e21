"""Which model an emergency is about, and what stands beside it: not a matter of params.yaml."""

import json
import shutil
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.release.registry.history import Entry, open_history
from pipeline.release.registry.pinned import find_model, list_models, pin, pinned
from pipeline.release.registry.siblings import combine_note, list_siblings, variant_note
from pipeline.release.registry.versions import open_registry

SMALL, NANO, TEACHER = "kdsharp-student", "kdsharp-student-nano-x2", "kdsharp-teacher"


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """An empty one, and no params.yaml at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with open_registry() as opened:
        yield opened


def put(registry, name, production=True, score=30.0):
    """Version 1 of a registered model, in production or a candidate."""
    history = open_history(registry, name)
    registry.client.create_model_version(name, "s3://bucket/model")
    alias = "production" if production else "candidate"
    registry.client.set_registered_model_alias(name, alias, "1")
    if production:
        numbers = {"now": score}
        entry = Entry(1, "promote", (1,), None, "", "ann", "", numbers=numbers, gate_set="f" * 64)
        history.append(entry)


def test_the_one_that_was_promoted_here_last(registry):
    put(registry, SMALL)
    put(registry, NANO)
    put(registry, TEACHER)
    with pytest.raises(UserError, match=f"which student.*--model takes one of {SMALL}, {NANO}"):
        find_model(registry, "student")
    said = []
    assert find_model(registry, "teacher", said.append) == TEACHER
    assert said == [f"{TEACHER}: the only teacher that is registered"]
    pin(NANO)
    pin(TEACHER)
    assert (pinned("student"), pinned("teacher")) == (NANO, TEACHER)
    assert find_model(registry, "student", said.append) == NANO
    assert said[-1] == f"{NANO}: the student that was promoted here last"
    assert find_model(registry, SMALL, said.append) == SMALL
    assert len(said) == 2
    # Another store knows nothing of it; a note that is damaged is none.
    Path("models/.production.json").write_text('{"student": "kdsharp-student-c9-x2"}')
    with pytest.raises(UserError, match="which student"):
        find_model(registry, "student")
    Path("models/.production.json").write_text("{")
    assert pinned("student") is None


def test_the_only_one_in_production(registry):
    put(registry, SMALL)
    put(registry, NANO, production=False)
    said = []
    assert find_model(registry, "student", said.append) == SMALL
    assert said == [f"{SMALL}: the only student that is in production"]


def test_none_or_no_such(registry):
    with pytest.raises(UserError, match=r"no student is registered in mlruns/mlflow\.db: python"):
        find_model(registry, "student")
    with pytest.raises(UserError, match="no model 'stuudent'"):
        find_model(registry, "stuudent")


def test_all_are_listed(registry):
    put(registry, NANO, production=False)
    put(registry, SMALL)
    put(registry, TEACHER)
    registry.client.create_registered_model("somebody-else-s")
    found = [(one.name, one.production, one.candidate) for one in list_models(registry)]
    assert found == [(SMALL, 1, None), (NANO, None, 1), (TEACHER, 1, None)]


def test_a_variant_is_no_surprise(registry):
    """Said before: it is not compared with what is in production, and replaces nothing of it."""
    put(registry, SMALL, score=31.25)
    put(registry, TEACHER)
    put(registry, NANO, production=False)
    (sibling,) = list_siblings(registry, NANO, "f" * 64)
    assert (sibling.name, sibling.version, sibling.psnr_y) == (SMALL, 1, 31.25)
    assert variant_note(registry, NANO, "f" * 64) == (
        f"{NANO} is a model of its own: it is not compared with {SMALL} version 1 (31.250 dB on "
        "the gate set), which stays in production, and goes to models/production-nano-x2"
    )
    (sibling,) = list_siblings(registry, NANO, "e" * 64)
    assert sibling.psnr_y is None
    assert variant_note(registry, SMALL) == variant_note(registry, TEACHER) == ""


def test_models_for_different_degradations_are_worth_combining(luma_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drift = "kdsharp-student-small-x2-drift-20260131"
    assert combine_note(drift) == ""  # no folder is here
    for suffix, made_for in (("", "bicubic"), ("-nano-x2", "bicubic"), (drift[15:], "drift")):
        folder = Path(f"models/production{suffix}")
        shutil.copytree(luma_model, folder)
        card = json.loads((folder / "card.json").read_text())
        (folder / "card.json").write_text(json.dumps(card | {"degradation": made_for}))
    assert combine_note(drift).endswith(
        ": python -m pipeline combine models/set models/production models/production-nano-x2 "
        "models/production-small-x2-drift-20260131"
    )
    assert combine_note(NANO).endswith(
        " models/set models/production-nano-x2 models/production-small-x2-drift-20260131"
    )
    Path("models/production-small-x2-drift-20260131/card.json").write_text("{")
    assert combine_note(NANO) == combine_note(TEACHER) == ""
