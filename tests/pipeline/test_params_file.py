"""A params.yaml of an earlier version: an error that names the new key, and the way out."""

from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.params import load_params
from pipeline.params_file import RENAMED, migrate_params

SHIPPED = Path("params.yaml").read_text(encoding="utf-8")
OLD = Path("tests/pipeline/kept/params-0.1.yaml").read_text(encoding="utf-8")


@pytest.fixture
def kept(tmp_path):
    """The params.yaml of version 0.1, as it was."""
    path = tmp_path / "params.yaml"
    path.write_text(OLD, encoding="utf-8")
    return path


LATER = {
    "convs",
    "drawings",
    "environment",
    "harm_weight",
    "late_loss",
    "mixture",
    "precision",
    "shifted",
    "slope",
    "threads",
    "weights_licence",
}
"""Keys that came after version 0.1; a file without them is valid."""

LATER_OF = {
    "promotion": {"int8_loss_db", "reasons", "weak"},
    "evaluate": {"photos", "seed"},
    "gate": {"photos"},
    "monitor": {"retrain", "cooldown_days", "learns", "shadow_log"},
}
"""The same, of one section: another may have had a key of that name."""


def keys(text):
    """Each key with its depth, in order, without values and comments."""
    return [line.split(":")[0] for line in text.splitlines() if ":" in line.split("#")[0]]


def kept_keys(text):
    """Those that version 0.1 had."""
    section, found = "", []
    for key in keys(text):
        section = section if key.startswith(" ") else key
        if key.strip() not in LATER | LATER_OF.get(section, set()) | {"monitor"}:
            found.append(key)
    return found


def test_an_old_key_is_told_with_its_new_name(kept):
    with pytest.raises(UserError) as error:
        load_params(kept)
    assert str(error.value) == (
        f"{kept}: teacher.loop.basis is now called teacher.loop.max_precond_dim: "
        "python -m pipeline migrate renames all old keys"
    )


def test_a_kept_file_becomes_that_of_today(kept):
    changes = migrate_params(kept)
    assert len(changes) == len(RENAMED)
    assert "student.grid -> student.unshuffle_factor" in changes
    assert keys(kept.read_text(encoding="utf-8")) == kept_keys(SHIPPED)
    assert kept.read_text(encoding="utf-8").count("#") == OLD.count("#")
    # The folder stays the one that its person filled.
    assert load_params(kept).evaluate.held_out == "data/unseen"
    before = kept.read_bytes()
    assert migrate_params(kept) == []
    assert kept.read_bytes() == before


def test_both_names_are_refused(kept):
    kept.write_text(OLD.replace("  grid: 2", "  unshuffle_factor: 2\n  grid: 2"), encoding="utf-8")
    before = kept.read_bytes()
    with pytest.raises(UserError, match=r"both student\.grid and student\.unshuffle_factor"):
        migrate_params(kept)
    assert kept.read_bytes() == before


@pytest.mark.parametrize("text", ["", "3", "teacher: 1", "teacher: {loop: null}"])
def test_what_holds_no_such_section_holds_no_old_key(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"holds no keys|is missing"):
        load_params(path)
