import dataclasses
from pathlib import Path

import pytest

from kdsharp.card import read_card, write_card
from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from pipeline.model_card import write_model_card
from pipeline.paths import EXPORT, STUDENT
from pipeline.ship import ship
from tests.models import make_model

VAL = {"input": {"psnr_y": 30.0}, "student_onnx": {"psnr_y": 32.13}}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An exported member of the family, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    make_model(EXPORT, int8=True)
    STUDENT.write_bytes(b"trained")
    change(channels=16, grid=2, color="luma", sha256=sha256_file(STUDENT))
    return tmp_path


def change(scale=2, **student):
    """Write the card anew with this in its lineage, and its page."""
    card = read_card(EXPORT)
    known = card.lineage.get("student", {})
    lineage = {"student": {**known, **student}}
    card = dataclasses.replace(card, lineage=lineage, metrics={"val": VAL}, scale=scale)
    write_card(EXPORT, card)
    write_model_card(EXPORT, card, [])


def test_it_ships_all_of_it_and_tells_what_was_measured(checkout):
    said = []
    (checkout / "weights" / "nano-x2").mkdir(parents=True)
    (checkout / "weights" / "nano-x2" / "old").touch()
    folder = ship(Path("weights"), said.append)
    assert folder == Path("weights/nano-x2")
    assert {p.name for p in folder.iterdir()} == {
        "README.md",
        "card.json",
        "student.onnx",
        "student_int8.onnx",
    }
    assert read_card(folder) == read_card(EXPORT)
    assert said[0].startswith("weights/nano-x2: README.md ")
    assert said[1:] == [
        "  val input: PSNR Y 30.00 dB",
        "  val student_onnx: PSNR Y 32.13 dB (+2.13)",
    ]
    assert [path.name for path in (checkout / "weights").iterdir()] == ["nano-x2"]


def test_colour_and_scale_are_in_the_name(checkout):
    change(scale=3, channels=80, grid=3, color="rgb")
    assert ship(Path("weights"), lambda _: None) == Path("weights/large-x3-rgb")


def large(checkout):
    (EXPORT / "extra.bin").write_bytes(bytes(300_001))


def stale(checkout):
    STUDENT.write_bytes(b"trained anew")


def gone(checkout):
    STUDENT.unlink()


def stranger(checkout):
    change(channels=24)


def unknown(checkout):
    card = read_card(EXPORT)
    write_card(EXPORT, dataclasses.replace(card, lineage={}))


def pageless(checkout):
    (EXPORT / "README.md").unlink()


def damaged(checkout):
    (EXPORT / "student.onnx").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (large, r"extra\.bin: has 300,001 bytes; what ships may have 300,000"),
        (stale, "was not made from models/student.safetensors: dvc repro export"),
        (gone, r"student\.safetensors is missing"),
        (stranger, "c24-x2 is no size that ships"),
        (unknown, "was not made from"),
        (pageless, r"has no README\.md"),
        (damaged, "is damaged"),
    ],
)
def test_what_must_not_ship_is_refused(checkout, spoil, words):
    spoil(checkout)
    with pytest.raises(UserError, match=words):
        ship(Path("weights"), lambda _: None)
    assert not Path("weights").exists()
