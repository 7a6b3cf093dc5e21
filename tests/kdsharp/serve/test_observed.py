"""What the service writes about its pictures."""

import re

import pytest

from kdsharp.errors import UserError
from kdsharp.observe.log import read_log
from kdsharp.serve.settings import Settings

SHARPEN = "/v1/sharpen"


def test_a_line_a_picture(made, tmp_path, png, jpeg):
    asked = made(observe=tmp_path / "seen")
    answer = asked.ask("POST", SHARPEN, content=png)
    asked.ask("POST", SHARPEN, content=jpeg, params={"upscale": 2})
    assert asked.ask("POST", SHARPEN, content=b"no").status_code == 415
    asked.service.close()
    one, other = read_log(tmp_path / "seen")
    assert (one.source, one.width, one.height, one.format) == ("serve", 53, 37, "PNG")
    assert (one.bytes, one.picture) == (len(png), None)
    assert one.version == answer.headers["x-kdsharp-version"]
    assert (other.format, other.route, other.expected) == ("JPEG", "upscaled", None)
    page = asked.service.metrics.page().decode()
    assert 'kdsharp_observed_total{result="seen"} 2.0' in page
    assert "kdsharp_expected_gain_db_count 0.0" in page  # not fitted for that model


def test_routed_pictures_have_an_expected_gain(made, tmp_path, png):
    asked = made(model=None, observe=tmp_path / "seen", observe_pictures=1)
    asked.ask("POST", SHARPEN, content=png, params={"model": "small"})
    asked.service.close()
    (one,) = read_log(tmp_path / "seen")
    assert one.expected is not None
    assert (tmp_path / "seen" / one.picture).read_bytes() == png
    page = asked.service.metrics.page().decode()
    assert "kdsharp_expected_gain_db_count 1.0" in page
    found = (rf"^kdsharp_expected_{name}_db_total (.+)$" for name in ("gained", "lost"))
    gained, lost = (float(re.search(one, page, re.MULTILINE)[1]) for one in found)
    assert gained - lost == pytest.approx(one.expected.gain)


def test_pictures_need_a_folder():
    with pytest.raises(UserError, match="--observe"):
        Settings(observe_pictures=0.5)
    with pytest.raises(UserError, match="from 0 to 1"):
        Settings(observe_pictures=2)
