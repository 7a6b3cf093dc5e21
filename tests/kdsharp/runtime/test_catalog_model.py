import dataclasses
import re
from pathlib import Path

import pytest

from kdsharp.cli.models import model_table
from kdsharp.errors import UserError
from kdsharp.runtime import catalog as model
from kdsharp.runtime.card import read_card, write_card
from kdsharp.runtime.catalog import (
    WIDTHS,
    find_model,
    find_models,
    learned_from,
    members,
    shipped_cards,
    shipped_models,
    size_of,
)
from kdsharp.runtime.crisp import CRISP
from kdsharp.runtime.engine import load_engine
from tests.models import make_model


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Three models that ship, and an empty working directory beside them."""
    folder = tmp_path / "weights"
    for name in ("small-x2", "nano-x2", "small-x3"):
        make(folder, name)
    (folder / "ATTRIBUTION.md").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(model, "SHIPPED", folder)
    return folder


def make(folder, name, degradation="bicubic"):
    """A model whose card says the size and the scale that begin its name."""
    made, (size, scale) = make_model(folder / name), name.split("-")[:2]
    scale = int(scale[1:])
    lineage = {"student": {"channels": WIDTHS[size][scale], "kernels": [3, 3, 3]}}
    card = dataclasses.replace(read_card(made), scale=scale, grid=scale, lineage=lineage)
    write_card(made, dataclasses.replace(card, degradation=degradation))


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
    make(shipped, "small-x2-area", "area")
    names = ("small-x2", "small-x2-area", "small-x3")
    family = [shipped / name for name in names]
    assert find_models(None) == find_models("small") == find_models(Path("small")) == family
    assert find_models("small", "auto") == family
    assert find_models("small", "3") == find_models("small", 3) == [shipped / "small-x3"]
    assert find_models("nano") == [shipped / "nano-x2"]
    assert find_model("small") == shipped / "small-x2"
    assert find_models("small-x2-area") == [shipped / "small-x2-area"]
    assert find_models("small-x2-area", 2) == [shipped / "small-x2-area"]
    for one in (Path("small-x3"), shipped / "small-x3"):
        with pytest.raises(UserError, match="undoes only scale 3: to choose by the picture, name"):
            find_models(one, "auto")


def test_the_size_is_what_the_card_says_and_not_the_name(shipped):
    (shipped / "small-x3").rename(shipped / "large-x2")
    assert find_models("small") == [shipped / "small-x2", shipped / "large-x2"]
    assert find_model("small", 3) == shipped / "large-x2"
    with pytest.raises(UserError, match=r"large: neither a model folder nor a model that ships"):
        find_models("large")
    card = shipped_cards()["nano-x2"]
    assert size_of(card) == "nano"
    for other in (
        {"lineage": {}},
        {"lineage": {"student": "a text"}},
        {"lineage": {"student": {"channels": 17, "kernels": [3, 3, 3]}}},
        {"lineage": {"student": {"channels": 16}}},
        {"lineage": {"student": {"channels": 16, "kernels": [3, 3, 3, 3]}}},
        {"lineage": {"student": {"kernels": [3, 3, 3]}}},
        {"grid": 1},
        {"color": "rgb"},
    ):
        assert size_of(dataclasses.replace(card, **other)) is None


@pytest.mark.parametrize(
    ("student", "learned"),
    [
        ({"teacher_weight": 0.0, "feature_weight": 0.0, "truth_weight": 1.0}, "truth"),
        ({"teacher_weight": 0.0}, "truth"),
        ({"teacher_weight": 1.0, "truth_weight": 0.0}, "teacher"),
        ({"teacher_weight": 0.5, "truth_weight": 0.5}, "teacher and truth"),
        ({"teacher_weight": 0.0, "feature_weight": 0.1, "truth_weight": 1.0}, "teacher and truth"),
        ({"channels": 16}, None),
        (None, None),
    ],
)
def test_a_teacher_counts_if_it_took_part(luma_model, student, learned):
    lineage = {"student": student, "teacher": {"width": 9}}
    assert learned_from(dataclasses.replace(read_card(luma_model), lineage=lineage)) == learned


@pytest.mark.parametrize("scale", ["5", 5, "2.0", 1, "x2", ""])
def test_other_scales_are_refused(shipped, scale):
    with pytest.raises(UserError, match=r"scale .* is unknown: choose 2, 3, 4 or auto"):
        find_models("small", scale)


@pytest.mark.parametrize("named", [["small"], 2, b"small", object()])
def test_what_is_no_name_is_refused(shipped, named):
    with pytest.raises(UserError, match="a model is a name or a folder, not "):
        find_model(named)


@pytest.mark.parametrize("name", ["small", "nano-x2"])
def test_a_folder_here_that_is_no_model_changes_nothing(shipped, name, monkeypatch):
    before = find_models(name), find_models(None)
    Path(name).mkdir()
    assert (find_models(name), find_models(None)) == before
    monkeypatch.setenv("KDSHARP_MODEL", name)
    assert find_models(None) == before[0]
    for written in (f"./{name}", str(Path(name).absolute())):
        assert find_models(written) == [Path(written)]  # that it is none is for the card to say


def test_a_model_folder_here_comes_before_those_that_ship(shipped):
    make_model(Path("small"))
    make_model(Path("nano-x2"))
    assert find_models("small") == [Path("small")]
    assert find_model("nano-x2") == Path("nano-x2")
    assert find_models(None)[0] == shipped / "small-x2"


def test_a_folder_that_is_no_model_is_taken_for_one_where_nothing_else_is_meant(shipped):
    Path("export").mkdir()
    assert find_model("export") == Path("export")
    assert find_model(shipped) == shipped


@pytest.mark.parametrize("name", ["large", "models/export", "small-x2.onnx", "../small-x2", "x2"])
def test_other_names_are_refused_with_those_that_ship(shipped, name):
    with pytest.raises(UserError) as error:
        find_model(Path(name))
    assert str(error.value) == (
        f"{name}: neither a model folder nor a model that ships (nano-x2, small-x2, small-x3)"
    )


def test_without_any_the_error_says_how_to_name_one(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SHIPPED", tmp_path)
    monkeypatch.setenv("KDSHARP_MODEL", "")
    with pytest.raises(UserError, match=r"--model PATH or \$KDSHARP_MODEL"):
        find_model(None)
    with pytest.raises(UserError, match="none in this build"):
        find_model(Path("small"))
    assert shipped_models() == []
    assert model_table() == ["no model ships in this build"]


def test_the_table_has_a_row_for_each(shipped, monkeypatch):
    monkeypatch.setattr(model, "DEFAULT", "small-x2")
    nano = read_card(shipped / "nano-x2")
    val = {"input": {"psnr_y": 30.0}, "student_onnx": {"psnr_y": 32.35}}
    nano = dataclasses.replace(nano, metrics={"val": val}, macs_per_pixel=864.0, parameters=1234567)
    gates = {
        "nano-x2": {"judged": True, "decision": "a1", "forced": None},
        "small-x3": {"judged": True, "decision": "a2", "forced": "why not"},
    }
    for name, gate in gates.items():
        card = nano if name == "nano-x2" else read_card(shipped / name)
        write_card(shipped / name, dataclasses.replace(card, gate=gate))
    headings, *rows = model_table()
    assert [row.split()[0] for row in rows] == ["small-x2", "nano-x2", "small-x3"]
    assert {len(row.removesuffix(" (default)")) for row in rows} == {len(headings)}
    assert rows[0].endswith("(default)")
    assert rows[1].split()[1:6] == ["bicubic", "2", "1,234,567", "864", "0.80"]
    assert "+2.35 dB" in rows[1]
    assert rows[2].split()[-2:] == ["-", "forced"]
    assert [rows[0].split()[-2], rows[1].split()[-1]] == ["-", "passed"]


def test_a_size_takes_in_the_deep_ones_of_its_time_and_they_come_first(shipped):
    deep = {"lineage": {"student": {"channels": 16, "kernels": [3, 3, 3], "convs": 6}}}
    for name, degradation in (("deep-small-x2", "bicubic"), ("deep-small-x2-grain", "grain")):
        made = make_model(shipped / name)
        card = dataclasses.replace(read_card(made), degradation=degradation, **deep)
        write_card(made, card)
    assert list(members("small")) == ["deep-small-x2", "deep-small-x2-grain", "small-x3"]
    assert list(members("deep-small")) == ["deep-small-x2", "deep-small-x2-grain"]
    assert [path.name for path in find_models(None)] == [
        "deep-small-x2", "deep-small-x2-grain", "small-x3",
    ]  # fmt: skip
    assert list(members("nano")) == ["nano-x2"]


def test_something_ships_in_every_size_and_scale():
    names = {f"{size}-x{scale}" for size in ("nano", "small", "large") for scale in (2, 3, 4)}
    assert names <= set(shipped_models())


@pytest.mark.parametrize("name", shipped_models())
def test_what_ships_is_sound(name):
    """It loads, carries its page, and is under 300 KB."""
    folder = find_model(Path(name))
    card = read_card(folder)
    size = rf"(nano|(deep-)?(small|large))-x{card.scale}(-[a-z]+)*"
    assert re.fullmatch(rf"{size}|{CRISP}", name)
    assert name.endswith(f"x{card.scale}" if card.degradation == "bicubic" else card.degradation)
    for precision in ("fp32", "int8"):
        assert load_engine(folder, precision=precision).card == card
    assert (folder / "README.md").is_file()
    assert all(path.stat().st_size < 300_000 for path in folder.iterdir())
