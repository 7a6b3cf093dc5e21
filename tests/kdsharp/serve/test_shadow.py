"""A second model that answers nobody."""

import json
import queue
import time

from kdsharp.runtime.card import read_card
from kdsharp.serve.options import Options
from tests.models import make_model

SHARPEN = "/v1/sharpen"
KEYS = {
    *("time", "size", "received", "sent", "model", "version", "route", "psnr"),
    *("shadow_sent", "shadow_model", "shadow_version", "shadow_route", "shadow_seconds"),
}


def lines(path, count):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = path.read_text().splitlines() if path.exists() else []
        if len(found) >= count:
            break
        time.sleep(0.02)
    return [json.loads(line) for line in found]


def test_differences_are_logged(made, tmp_path, png, luma_model):
    other = make_model(tmp_path / "other", seed=5)
    log = tmp_path / "shadow.jsonl"
    asked = made(shadow=str(other), shadow_share=1, shadow_log=log)
    answer = asked.ask("POST", SHARPEN, content=png)
    assert answer.headers["x-kdsharp-version"] == read_card(luma_model).sha256[:12]
    asked.ask("POST", SHARPEN, content=png, params={"model": "nano-x2"})  # it has no rival
    (line,) = lines(log, 1)
    assert set(line) == KEYS
    assert (line["size"], line["model"], line["shadow_model"]) == ([53, 37], "model", "other")
    assert line["shadow_version"] == read_card(other).sha256[:12] != line["version"]
    assert 5 < line["psnr"] < 60
    assert (line["received"], line["sent"]) == (len(png), len(answer.content))


def test_equal_answers_are_said_to_be_equal(made, tmp_path, png, luma_model):
    log = tmp_path / "shadow.jsonl"
    asked = made(shadow=str(luma_model), shadow_share=1, shadow_log=log)
    asked.ask("POST", SHARPEN, content=png)
    assert lines(log, 1)[0]["psnr"] is None


def test_what_the_shadow_cannot_do_is_logged(made, tmp_path, png):
    log = tmp_path / "shadow.jsonl"
    asked = made(shadow="nano-x3", shadow_share=1, shadow_log=log)
    assert asked.ask("POST", SHARPEN, content=png, params={"upscale": 2}).status_code == 200
    assert "undoes scale 3" in lines(log, 1)[0]["problem"]


def test_a_share_is_seen(made, tmp_path, png, luma_model):
    shadow = made(shadow=str(luma_model), shadow_share=0.5).service.shadow
    shadow.close()
    time.sleep(0.1)
    shadow._queue = queue.Queue()
    for _ in range(100):
        shadow.offer(png, Options(), None)
    assert 30 < shadow._queue.qsize() < 70
