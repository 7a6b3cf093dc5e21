"""A picture in, a picture out: the bytes are those of the command."""

import io
import json
import struct
import sys
import zipfile
import zlib
from email.parser import BytesParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsharp import Sharpener
from kdsharp.cli import app as cli
from kdsharp.errors import run
from kdsharp.runtime.card import read_card
from tests.kdsharp.serve.conftest import encoded

SHARPEN, BATCH = "/v1/sharpen", "/v1/sharpen/batch"


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["kdsharp", "sharpen", *map(str, words), "-q"])
    assert run(cli.main) == 0


CASES = [
    ("JPEG", "jpg", {}),
    ("PNG", "png", {"strength": "0.4"}),
    ("PNG", "png", {"strength": "1.6", "crisp": "0.5"}),
    ("PNG", "png", {"upscale": "2"}),
    ("JPEG", "jpg", {"upscale": "2", "strength": "0.7"}),
    ("PNG", "jpg", {"format": "jpg", "quality": "80"}),
    ("WEBP", "webp", {}),
    ("TIFF", "tif", {}),
    ("GIF", "png", {}),
]


@pytest.mark.parametrize(("form", "suffix", "options"), CASES)
def test_the_bytes_are_the_commands(
    tiny, monkeypatch, tmp_path, luma_model, picture, form, suffix, options
):
    source, target = tmp_path / f"in.{form.lower()}", tmp_path / f"out.{suffix}"
    source.write_bytes(encoded(picture, form))
    answer = tiny.ask("POST", SHARPEN, content=source.read_bytes(), params=options)
    assert answer.status_code == 200, answer.text
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    fixed = ("--model", luma_model, "--engine", "onnxruntime")
    command(monkeypatch, source, "-o", target, *fixed, *words)
    assert answer.content == target.read_bytes()


def test_a_choice_by_the_picture_is_the_commands(made, monkeypatch, tmp_path, jpeg):
    asked = made(None)
    (tmp_path / "in.jpg").write_bytes(jpeg)
    for options in ({"model": "nano"}, {"model": "nano", "scale": "3"}):
        answer = asked.ask("POST", SHARPEN, content=jpeg, params=options)
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        target = tmp_path / "out.jpg"
        command(monkeypatch, tmp_path / "in.jpg", "-o", target, "--engine", "onnxruntime", *words)
        assert answer.content == target.read_bytes()
        assert answer.headers["x-kdsharp-model"].startswith("nano") or (
            answer.headers["x-kdsharp-route"] == "unchanged"
        )


def test_what_an_answer_says(tiny, luma_model, jpeg):
    answer = tiny.ask("POST", SHARPEN, content=jpeg)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-kdsharp-model"] == "model"
    assert answer.headers["x-kdsharp-version"] == read_card(luma_model).sha256[:12]
    assert answer.headers["x-kdsharp-route"] == "fixed"
    assert answer.headers["x-content-type-options"] == "nosniff"
    upscaled = tiny.ask("POST", SHARPEN, content=jpeg, params={"upscale": 2})
    assert upscaled.headers["x-kdsharp-route"] == "upscaled"
    assert Image.open(io.BytesIO(upscaled.content)).size == (106, 74)


def test_a_form_has_a_file_and_the_options(tiny, png, picture, luma_model):
    form = {"files": {"picture": ("a.png", png)}, "data": {"strength": "0"}}
    answer = tiny.ask("POST", SHARPEN, **form)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), picture)
    answer = tiny.ask("POST", SHARPEN, files={"picture": ("a.png", png)})
    expected = Sharpener(luma_model, engine="onnxruntime").array(picture)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), expected)
    for wrong in ({"data": {"strength": "9"}}, {"data": {"colour": "red"}}):
        said = tiny.ask("POST", SHARPEN, files={"picture": ("a.png", png)}, **wrong)
        assert said.status_code == 400
        assert next(iter(wrong["data"])) in said.json()["error"]


def test_an_upload_never_touches_the_disk(tiny, monkeypatch, picture):
    large = encoded(np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8), "PNG")
    assert len(large) > 1 << 20  # from which on forms go to the disk elsewhere
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", None)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", None)
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    monkeypatch.setattr("tempfile.mkstemp", None)
    assert tiny.ask("POST", SHARPEN, files={"picture": ("a.png", large)}).status_code == 200
    assert tiny.ask("POST", SHARPEN, content=large).status_code == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"strength": "2.5"}, "strength: "),
        ({"crisp": "1.5"}, "crisp: "),
        ({"upscale": "9"}, "upscale: "),
        ({"upscale": "3"}, "undoes scale 2, not 3"),
        ({"upscale": "2", "scale": "3"}, "leave out scale"),
        ({"scale": "3"}, "undoes scale 2, not 3"),
        ({"format": "exe"}, "format 'exe' is unknown"),
        ({"model": "../../etc"}, "model '../../etc' is unknown"),
        ({"model": "/"}, "model '/' is unknown"),
        ({"quality": "0"}, "quality: "),
        ({"nonsense": "1"}, "nonsense: "),
    ],
)
def test_wrong_options_are_named(tiny, jpeg, options, said):
    answer = tiny.ask("POST", SHARPEN, content=jpeg, params=options)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_what_is_no_picture(tiny, jpeg, png):
    for body, status in (
        (b"", 415),
        (b"hello", 415),
        (png[:20], 415),
        (jpeg[: len(jpeg) // 2], 422),
        (png[: len(png) // 2], 422),
    ):
        answer = tiny.ask("POST", SHARPEN, content=body)
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"error"}
        assert "\n" not in answer.json()["error"]


def test_transparency_needs_a_format_that_has_it(tiny, picture):
    clear = np.dstack([picture, np.zeros(picture.shape[:2], np.uint8)])
    answer = tiny.ask("POST", SHARPEN, content=encoded(clear, "PNG"), params={"format": "jpg"})
    assert (answer.status_code, "transparency" in answer.json()["error"]) == (422, True)


def test_bombs_are_refused_by_their_header(made, picture):
    asked = made(max_megapixels=0.004)
    assert asked.ask("POST", SHARPEN, content=encoded(picture, "PNG")).status_code == 200
    larger = {"content": encoded(picture, "PNG"), "params": {"upscale": 2}}
    answer = asked.ask("POST", SHARPEN, **larger)
    assert (answer.status_code, answer.json()["error"][:5]) == (413, "53x37")
    small = encoded(picture, "PNG")
    head = b"IHDR" + struct.pack(">II", 60_000, 60_000) + small[24:29]
    bomb = small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:]
    assert asked.ask("POST", SHARPEN, content=bomb).status_code == 413


def test_a_body_has_its_limit(made, jpeg):
    asked = made(max_bytes=len(jpeg))
    assert asked.ask("POST", SHARPEN, content=jpeg).status_code == 200
    assert asked.ask("POST", SHARPEN, content=jpeg + b"0").status_code == 413

    async def pieces():  # without a Content-Length
        yield jpeg
        yield b"0"

    answer = asked.ask("POST", SHARPEN, content=pieces())
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")


def test_a_batch_is_an_archive_with_a_report(tiny, jpeg, png):
    uploads = [
        ("p", ("../../a.jpg", jpeg)),
        ("p", ("a.jpg", png)),
        ("p", ("no.png", b"no picture")),
        ("p", ("a.jpg", jpeg)),
        ("p", ("report.json", jpeg)),
    ]
    answer = tiny.ask("POST", BATCH, files=uploads, params={"strength": "0.5"})
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    report = json.loads(archive.read("report.json"))
    assert [one["status"] for one in report] == [200, 200, 415, 200, 200]
    assert [one["name"] for one in report] == ["a.jpg", "a.png", "no.png", "3-a.jpg", "report.jpg"]
    alone = tiny.ask("POST", SHARPEN, content=jpeg, params={"strength": "0.5"})
    assert archive.read("a.jpg") == archive.read("3-a.jpg") == alone.content
    assert sorted(archive.namelist()) == ["3-a.jpg", "a.jpg", "a.png", "report.jpg", "report.json"]


def test_names_in_a_batch_never_clash(tiny, jpeg):
    names = ["2-A.jpg", "a.jpg", "a.jpg", "..", "ü/ö.jpg", "a\r\nb.jpg", "x" * 300 + ".jpg", "."]
    answer = tiny.ask("POST", BATCH, files=[("p", (name, jpeg)) for name in names])
    kept = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert len({name.lower() for name in kept}) == len(names) + 1
    assert not any(set(name) & set("/\\\r\n") for name in kept)


def test_a_batch_in_parts(tiny, jpeg):
    uploads = [("p", ("a.jpg", jpeg)), ("p", ("b.jpg", b"no"))]
    answer = tiny.ask("POST", BATCH, files=uploads, headers={"Accept": "multipart/mixed"})
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    first, second = BytesParser().parsebytes(head + answer.content).get_payload()
    assert first.get_payload(decode=True) == tiny.ask("POST", SHARPEN, content=jpeg).content
    assert first["X-Kdsharp-Model"] == "model"
    assert (second["X-Kdsharp-Status"], second.get_filename()) == ("415", "b.jpg")


def test_a_batch_needs_files(tiny, jpeg):
    assert tiny.ask("POST", BATCH, content=jpeg).status_code == 400
    assert tiny.ask("POST", BATCH, files=[("p", (None, "text"))]).status_code == 400
    many = [("p", (f"{number}.jpg", b"")) for number in range(201)]
    answer = tiny.ask("POST", BATCH, files=many)
    assert (answer.status_code, "Too many files" in answer.json()["error"]) == (400, True)


def test_a_broken_form_is_one_line(tiny):
    for kind in (
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=" + "x" * 300,
    ):
        for body in (b"", b"--x\r\nContent", b"--x\r\n\r\nabc\r\n--x--\r\n", b"\0" * 100):
            answer = tiny.ask("POST", SHARPEN, content=body, headers={"Content-Type": kind})
            assert answer.status_code == 400, (kind, body)
            assert set(answer.json()) == {"error"}


def test_nothing_is_left_on_the_disk(tiny, jpeg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tiny.ask("POST", SHARPEN, content=jpeg)
    tiny.ask("POST", BATCH, files=[("p", ("a.jpg", jpeg))])
    assert list(Path().iterdir()) == []
