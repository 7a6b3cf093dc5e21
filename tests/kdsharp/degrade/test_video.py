import builtins

import numpy as np
import pytest
from PIL import Image

from kdsharp.degrade.video import CODECS, code_video
from kdsharp.errors import UserError


@pytest.fixture(scope="module")
def image():
    """160x90, with detail everywhere."""
    cells = np.random.default_rng(0).integers(0, 256, (18, 32, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((160, 90), Image.Resampling.BICUBIC)


def error(image, *how):
    """Mean error of brightness; colour loses more, having a quarter of the pixels."""
    planes = [np.asarray(i.convert("L")).astype(int) for i in (code_video(image, *how), image)]
    return np.abs(planes[0] - planes[1]).mean()


@pytest.mark.parametrize("codec", CODECS)
def test_more_bits_are_closer_to_the_picture(image, codec):
    errors = [error(image, codec, kbps, 0.4, 30) for kbps in (200, 800, 10_000)]
    assert errors[0] > errors[1] > errors[2]
    # It is this frame and no other: one pixel further it is above 9.
    assert errors[2] < 2


@pytest.mark.parametrize("codec", CODECS)
def test_the_codec_predicts_from_other_frames(image, codec):
    """A camera that stands still costs less than one that moves: the same bits show more."""
    assert error(image, codec, 400, 0, 0) < error(image, codec, 400, 3, 30)


@pytest.mark.parametrize("codec", CODECS)
def test_the_same_bytes_again(image, codec):
    again = {code_video(image, codec, 300, 0.4, 30).tobytes() for _ in range(3)}
    assert len(again) == 1
    assert code_video(image, codec, 300, 0.4, 31).tobytes() not in again


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [(1, 1), (33, 17), (35, 64)])
def test_any_size(image, codec, size):
    assert code_video(image.resize(size), codec, 300, 1, 200).size == size


def test_without_pyav_one_line_says_how_to_get_it(image, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "av":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r'pip install "kdsharp\[video\]"'):
        code_video(image, "h264", 300, 0, 0)
