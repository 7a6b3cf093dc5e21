import logging

import pytest
from PIL import Image

from pipeline.data.check import Skipped, check, report_skipped, without_copies
from pipeline.data.source import Candidate
from pipeline.paths import printable


@pytest.fixture
def candidate(tmp_path):
    def make(name: str, split=None) -> Candidate:
        return Candidate(name, tmp_path / name, split, "CC0")

    return make


def test_a_photo_is_measured_upright(tmp_path, candidate, make_picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    make_picture(1, (200, 150)).save(tmp_path / "1.jpg", exif=exif)
    (photo,), skipped = check([candidate("1.jpg")], 150)
    assert (photo.width, photo.height) == (150, 200)
    assert (photo.name, photo.licence, skipped) == ("1.jpg", "CC0", [])


def test_unusable_files_are_skipped_with_a_reason(tmp_path, candidate, make_picture):
    make_picture(1).save(tmp_path / "1 good.png")
    make_picture(2, (200, 100)).save(tmp_path / "2 small.png")
    (tmp_path / "3 empty.png").write_bytes(b"")
    (tmp_path / "4 text.jpg").write_text("no picture")
    (tmp_path / "5 cut.png").write_bytes((tmp_path / "1 good.png").read_bytes()[:500])
    frames = [make_picture(seed) for seed in (3, 4)]
    frames[0].save(tmp_path / "6 moves.webp", save_all=True, append_images=frames[1:])
    names = [path.name for path in tmp_path.iterdir()]
    photos, skipped = check([candidate(name) for name in [*names, "7 gone.png"]], 128)
    assert [photo.name for photo in photos] == ["1 good.png"]
    assert [item.name[0] for item in skipped] == list("234567")
    assert skipped[0].reason == "is 200x100 pixels, data.min_side is 128"
    assert all(item.reason and str(tmp_path) not in item.reason for item in skipped)


def test_a_name_that_is_no_unicode_is_skipped_and_shown(caplog, candidate):
    caplog.set_level(logging.INFO)
    _, skipped = check([candidate("caf\udce9.png")], 16)
    report_skipped(skipped)
    assert "caf\\udce9.png: its name is not valid UTF-8: rename it" in caplog.text


def test_only_the_first_ten_are_named(caplog):
    caplog.set_level(logging.INFO)
    report_skipped([Skipped(f"{n}.png", "is empty") for n in range(13)])
    assert caplog.messages[0] == "skipped 13 unusable files:"
    assert caplog.messages[-1] == "  and 3 more"
    assert len(caplog.messages) == 12


def test_names_stay_on_one_line():
    assert printable("a\nb\x1b[31m é.png") == "a\\nb\\x1b[31m é.png"


def test_copies_count_once_a_split(tmp_path, candidate, make_picture):
    for name in ("a.png", "b.png", "c.png"):
        make_picture(1).save(tmp_path / name)
    photos, _ = check([candidate("b.png"), candidate("a.png"), candidate("c.png", "val")], 16)
    assert [(p.name, p.split) for p in without_copies(photos)] == [
        ("a.png", None),
        ("c.png", "val"),
    ]
