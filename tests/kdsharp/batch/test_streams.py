import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsharp import Sharpener

ROOT = Path(__file__).parents[3]


@pytest.fixture
def piped(luma_model, tmp_path):
    """Runs `kdsharp sharpen` with bytes on standard input; returns code, stdout and stderr."""

    def call(*arguments, data=b"", **options):
        command = [sys.executable, "-m", "kdsharp", "sharpen", *map(str, arguments), "-q"]
        environment = {**os.environ, "KDSHARP_MODEL": str(luma_model), "TMPDIR": str(tmp_path)}
        given = {"input": data} if "stdin" not in options else {}
        options = {"stdout": subprocess.PIPE, **given, **options}
        done = subprocess.run(
            command, stderr=subprocess.PIPE, cwd=ROOT, env=environment, check=False, **options
        )
        assert not list(tmp_path.glob("kdsharp-*"))
        return done.returncode, done.stdout, done.stderr.decode()

    return call


def test_a_photo_goes_through(piped, photo, picture, luma_model, tmp_path):
    expected = Sharpener(luma_model).array(picture)
    code, out, err = piped("-", "-o", "-", data=photo.read_bytes())
    assert (code, err) == (0, "")
    with Image.open(io.BytesIO(out)) as made:
        assert made.format == "PNG"
        np.testing.assert_array_equal(np.asarray(made), expected)
    code, out, _ = piped(photo, "-o", "-", "--format", "bmp")
    with Image.open(io.BytesIO(out)) as made:
        assert (code, made.format) == (0, "BMP")
    code, out, _ = piped("-", "-o", tmp_path / "a.tif", data=photo.read_bytes())
    assert (code, out) == (0, b"")
    assert Image.open(tmp_path / "a.tif").tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("arguments", "data", "message"),
    [
        (["-", "-o", "-"], b"", "standard input: not a readable picture"),
        (["-", "-o", "-"], b"GIF89a", "standard input: not a readable picture"),
        (["-", "-o", "a.png"], b"no picture", "standard input: not a picture in JPEG, PNG"),
        (["-", "other.png", "-o", "-"], b"", "-: only one photo can go through a pipe"),
        (["tests", "-o", "-"], b"", "-: only one photo can go through a pipe"),
        (["gone.png", "-o", "-"], b"", "gone.png: no such file"),
        (["-", "--in-place"], b"", "--in-place needs files to replace, not -"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(piped, arguments, data, message):
    code, out, err = piped(*arguments, data=data)
    assert (code, out) == (2, b"")
    assert err.startswith(f"kdsharp: error: {message}")
    assert err.count("\n") == 1
    assert not (ROOT / "a.png").exists()


def test_a_terminal_is_neither_read_nor_written(piped, photo):
    ours, theirs = pty.openpty()
    try:
        assert "standard output is a terminal" in piped(photo, "-o", "-", stdout=theirs)[2]
        assert "standard input is a terminal" in piped("-", "-o", "-", stdin=theirs)[2]
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_reader_that_goes_is_one_line(piped, photo):
    read, write = os.pipe()
    os.close(read)
    try:
        code, _, err = piped(photo, "-o", "-", stdout=write)
    finally:
        os.close(write)
    expected = "kdsharp: error: standard output: was closed before the whole photo was written\n"
    assert (code, err) == (2, expected)


def test_a_gif_comes_out_as_png(piped, picture):
    data = io.BytesIO()
    Image.fromarray(picture[..., 0]).save(data, "GIF")
    code, out, err = piped("-", "-o", "-", data=data.getvalue())
    assert (code, err) == (0, "")
    assert Image.open(io.BytesIO(out)).format == "PNG"
