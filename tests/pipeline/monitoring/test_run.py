"""From a folder to a page, and pseudo-truth on a real photo."""

import dataclasses
import html
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.errors import UserError
from kdsharp.observe.log import Log
from kdsharp.routing.classifier import degradations
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.monitoring.pseudo import RECIPES, measure_pseudo, sharp_part
from pipeline.monitoring.run import Request, monitor
from tests.integration.checkout import set_params
from tests.pipeline.monitoring.seen import NOW, make_seen

ROOT = Path(__file__).parents[3]
WEEK = 7 * 86_400


def write(folder, *parts):
    log = Log(folder)
    for seen in (one for part in parts for one in part):
        log.write(seen)
    return folder


def test_a_log_is_compared_with_the_week_before(tmp_path, luma_model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    older = make_seen(60, 3, NOW - 3 * WEEK, light=9)  # long past: nobody asks for it
    folder = write(
        tmp_path / "log", older, make_seen(60, 1, NOW - WEEK), make_seen(60, 2, NOW, blur=2)
    )
    page = tmp_path / "page.html"
    found = monitor(Request(folder, model=str(luma_model), page=page, quiet=True))
    assert (found.verdict, found.evidence.count, found.evidence.before) == ("drifted", 60, 60)
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "drifted" in text and "the week before" in text and "<svg" in text
    assert "Which models they got" in text
    assert "http" not in text.replace("http-equiv", "")
    assert '"verdict": "drifted"' in page.with_suffix(".json").read_text()


@pytest.mark.parametrize(
    ("learns", "share", "said"),
    [
        ("mixed_in", "60%", "a retraining's other patches are bicubic"),
        ("own_model", "70%", "a retraining makes a model of its own for what has risen"),
    ],
)
def test_the_page_shows_what_a_retraining_would_learn(
    tmp_path, luma_model, monkeypatch, learns, share, said
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    set_params(tmp_path, {"monitor.learns": learns})
    weeks = [make_seen(60, 1, NOW - WEEK), make_seen(60, 2, NOW, blur=2)]
    folder = write(tmp_path / "log", lost(weeks[0], bicubic=0.9), lost(weeks[1], jpeg_40=0.7))
    page = tmp_path / "page.html"
    found = monitor(Request(folder, model=str(luma_model), page=page, quiet=True))
    assert found.alarms
    text = html.unescape(page.read_text())
    assert f">jpeg-coarse</th><td>0%</td><td>70%</td><td>{share}</td>" in text
    assert said in text


def lost(seen, **shares):
    """With what routing says was done to them; `_` in names stands for `-`."""
    named = {f"as {name.replace('_', '-')}": share for name, share in shares.items()}
    return [dataclasses.replace(one, statistics=one.statistics | named) for one in seen]


def test_pictures_are_looked_at_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    photo = Image.fromarray(data.astronaut())
    for number in range(3):
        photo.crop((0, 0, 300 + number, 280)).save(tmp_path / f"photos/{number}.png")
    shutil.copy(__file__, tmp_path / "photos/broken.png")
    found = monitor(Request(tmp_path / "photos", page=tmp_path / "page.html", quiet=True))
    assert (found.verdict, found.evidence.count) == ("fine", 3)
    assert found.about["unreadable"] == 1


def test_nothing_to_judge_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="neither observations"):
        monitor(Request(tmp_path, page=tmp_path / "page.html"))
    with pytest.raises(UserError, match="not a folder"):
        monitor(Request(tmp_path / "none", page=tmp_path / "page.html"))


def test_every_degradation_can_be_done_again():
    assert set(RECIPES) == set(degradations())


def test_pseudo_truth_is_measured(tmp_path):
    photo = Image.fromarray(data.astronaut())
    photo.resize((1024, 1024), Image.Resampling.BICUBIC).save(tmp_path / "soft.png")
    (tmp_path / "broken.png").write_text("no")
    (found,) = measure_pseudo(
        tmp_path, ["soft.png", "broken.png"], Sharpener(engine="onnxruntime", threads=1)
    )
    assert found.picture == "soft.png"
    assert 0 < found.gain < 6
    assert sharp_part(Image.new("RGB", (90, 90)), np.random.default_rng(0)) is None
