import dataclasses
import re
from pathlib import Path

import pytest

from kdsharp import model
from kdsharp.card import read_card, write_card
from kdsharp.errors import UserError
from kdsharp.model import family_of, find_model, model_table, named_size, shipped_models
from tests.models import make_model


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Three models that ship, and an empty working directory beside them."""
    folder = tmp_path / "weights"
    for name in ("small-x2", "nano-x2", "small-x3"):
        made = make_model(folder / name)
        scale = int(name[-1])
        write_card(made, dataclasses.replace(read_card(made), scale=scale))
    (folder / "ATTRIBUTION.md").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(model, "_SHIPPED", folder)
    return folder


def test_the_named_one_comes_first_then_the_environment_then_the_default(shipped, monkeypatch):
    assert find_model(None) == shipped / "small-x2"
    monkeypatch.setenv("KDSHARP_MODEL", "nano-x2")
    assert find_model(None) == shipped / "nano-x2"
    assert find_model(Path("small-x3")) == shipped / "small-x3"


def test_a_size_alone_means_x2(shipped):
    assert find_model(Path("nano")) == shipped / "nano-x2"


def test_a_size_takes_the_scale(shipped, monkeypatch):
    assert find_model(None, 3) == shipped / "small-x3"
    assert find_model(Path("small"), 3) == shipped / "small-x3"
    assert find_model(Path("nano"), 2) == shipped / "nano-x2"
    monkeypatch.setenv("KDSHARP_MODEL", "nano")
    assert find_model(None, 2) == shipped / "nano-x2"
    with pytest.raises(UserError, match=r"nano: no model of that size ships for scale 3 \(nano-x2"):
        find_model(None, 3)


def test_one_model_has_one_scale(shipped):
    assert find_model(Path("small-x3"), 3) == shipped / "small-x3"
    assert find_model(shipped / "small-x3", 3) == shipped / "small-x3"
    for one in (Path("small-x3"), shipped / "small-x3"):
        with pytest.raises(UserError, match="small-x3: undoes scale 3, not 2: leave the scale out"):
            find_model(one, 2)


def test_the_family_of_a_size(shipped):
    make_model(shipped / "small-x2-area")
    names = ("small-x2", "small-x2-area", "small-x3")
    assert family_of(None) == family_of(Path("small")) == [shipped / name for name in names]
    assert family_of(Path("nano")) == [shipped / "nano-x2"]
    assert find_model(Path("small")) == shipped / "small-x2"
    assert find_model(Path("small-x2-area")) == shipped / "small-x2-area"
    assert [named_size(name and Path(name)) for name in (None, "nano", "nano-x2", "big")] == [
        "small",
        "nano",
        None,
        None,
    ]
    for one in (Path("small-x3"), shipped / "small-x3"):
        with pytest.raises(UserError, match="undoes scale 3 alone: to choose by the picture, name"):
            family_of(one)


def test_a_folder_here_is_not_the_default(shipped):
    Path("small").mkdir()
    assert find_model(None) == shipped / "small-x2"
    assert find_model(Path("small")) == Path("small")


def test_a_folder_comes_before_a_model_that_ships(shipped):
    Path("nano-x2").mkdir()
    assert find_model(Path("nano-x2")) == Path("nano-x2")
    assert find_model(shipped) == shipped  # that it is no model is for `read_card` to say


@pytest.mark.parametrize("name", ["large", "models/export", "small-x2.onnx", "../small-x2", "x2"])
def test_other_names_are_refused_with_those_that_ship(shipped, name):
    with pytest.raises(UserError) as error:
        find_model(Path(name))
    assert str(error.value) == (
        f"{name}: no such model folder, and no model that ships (nano-x2, small-x2, small-x3)"
    )


def test_without_any_the_error_says_how_to_name_one(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "_SHIPPED", tmp_path)
    monkeypatch.setenv("KDSHARP_MODEL", "")
    with pytest.raises(UserError, match=r"--model PATH or \$KDSHARP_MODEL"):
        find_model(None)
    with pytest.raises(UserError, match="none in this build"):
        find_model(Path("small"))
    assert shipped_models() == []
    assert model_table() == ["no model ships in this build"]


def test_the_table_has_a_row_for_each(shipped):
    nano = read_card(shipped / "nano-x2")
    val = {"input": {"psnr_y": 30.0}, "student_onnx": {"psnr_y": 32.345}}
    nano = dataclasses.replace(nano, metrics={"val": val}, macs_per_pixel=864.0, parameters=1234567)
    write_card(shipped / "nano-x2", nano)
    headings, *rows = model_table()
    assert [row.split()[0] for row in rows] == ["small-x2", "nano-x2", "small-x3"]
    assert {len(row.removesuffix(" (default)")) for row in rows} == {len(headings)}
    assert rows[0].endswith("(default)")
    assert rows[1].split()[1:6] == ["bicubic", "2", "1,234,567", "864", "0.80"]
    assert "+2.35 dB" in rows[1] or "+2.34 dB" in rows[1]
    assert rows[2].split()[-1] == "-"


def test_what_ships_is_sound():
    """Every model in the repository loads, carries its page, and is under 300 KB."""
    for name in shipped_models():
        folder = find_model(Path(name))
        card = read_card(folder)
        assert re.fullmatch(rf"(nano|small|large)-x{card.scale}(-[a-z]+)?", name)
        assert name.endswith(
            f"x{card.scale}" if card.degradation == "bicubic" else card.degradation
        )
        assert (folder / "README.md").is_file()
        assert all(path.stat().st_size < 300_000 for path in folder.iterdir())
