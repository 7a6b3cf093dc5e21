"""Lines of several processes, days, pictures by permission, and what is passed over."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from kdsharp.observe.expect import Expected
from kdsharp.observe.log import Log, has_observations, read_log
from kdsharp.observe.observer import Observer
from kdsharp.observe.record import Observation, Passed, parse, passed_by
from kdsharp.sharpening.sharpener import Sharpener

ROOT = Path(__file__).parents[3]
DAY = 86_400
SEEN = Observation(
    DAY * 20_000.5, "serve", 53, 37, "JPEG", 900, "small-x2", "0a1b2c3d4e5f", "routed",
    {"light": 0.5, "as sharp": 0.0, "as x3": 1.0}, Expected(0.5, 0.1, 0.9),
)  # fmt: skip

WRITER = """
import sys
from pathlib import Path
from dataclasses import replace
from tests.kdsharp.observe.test_log import SEEN
from kdsharp.observe.log import Log
log = Log(Path(sys.argv[1]))
for number in range(200):
    log.write(replace(SEEN, width=int(sys.argv[2]) * 1000 + number))
"""


def test_a_line_is_what_was_seen():
    assert parse(SEEN.line()) == replace(SEEN, statistics={"light": 0.5, "as x3": 1.0})
    assert set(json.loads(SEEN.line())) == {
        *("time", "source", "width", "height", "format", "bytes", "model", "version", "route"),
        *("statistics", "expected", "picture"),
    }


@pytest.mark.parametrize("line", ["", "{", "[]", "null", '{"time": 1}', '{"statistics": 3}'])
def test_what_is_no_observation_is_none(line):
    assert parse(line) is None


def test_a_file_a_day(tmp_path):
    log = Log(tmp_path / "made")
    assert not has_observations(tmp_path / "made")
    log.write(SEEN)
    log.write(replace(SEEN, time=SEEN.time + DAY))
    names = ["observations-2024-10-04.jsonl", "observations-2024-10-05.jsonl"]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == names
    assert [one.time for one in read_log(tmp_path / "made")] == [SEEN.time, SEEN.time + DAY]


def test_several_processes_write_whole_lines(tmp_path):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, str(n)], env=env, cwd=ROOT) for n in (1, 2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    found = list(read_log(tmp_path))
    assert None not in found
    assert {one.width for one in found} == {n * 1000 + i for n in (1, 2) for i in range(200)}


def test_half_a_line_is_passed_over(tmp_path):
    Log(tmp_path).write(SEEN)
    with next(tmp_path.iterdir()).open("a") as file:
        file.write(SEEN.line()[:40] + "\n")
    Log(tmp_path).write(SEEN)
    assert [one is None for one in read_log(tmp_path)] == [False, True, False]


def test_pictures_are_kept_only_where_asked(tmp_path, photo):
    assert Log(tmp_path / "a").write(SEEN, b"picture").picture is None
    assert [path.suffix for path in (tmp_path / "a").iterdir()] == [".jsonl"]
    kept = Log(tmp_path / "b", 1).write(SEEN, photo).picture
    assert (tmp_path / "b" / kept).read_bytes() == photo.read_bytes()
    assert photo.stem not in kept
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "b" / kept).stat().st_mode) == 0o600
    (one,) = read_log(tmp_path / "b")
    assert one.picture == kept


def test_a_picture_outside_the_folder_is_not_believed(tmp_path):
    Log(tmp_path).write(replace(SEEN, picture="../secret.png"))
    (one,) = read_log(tmp_path)
    assert one.picture is None


def test_mistakes_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        Log(tmp_path / "file")
    with pytest.raises(UserError, match="share of pictures"):
        Log(tmp_path, 2)


def test_an_observer_never_fails(tmp_path, luma_model, photo, capsys):
    router = Sharpener(luma_model, engine="onnxruntime").router
    observer = Observer(tmp_path, "sharpen")
    assert observer.see(b"no picture", router, Passed("model", "", "fixed")) is None
    assert observer.see(b"no picture", router, Passed("model", "", "fixed")) is None
    assert capsys.readouterr().err.count("not observed") == 1
    seen = observer.see(photo, router, passed_by(router, "model"))
    assert (seen.width, seen.height, seen.format, seen.source) == (53, 37, "PNG", "sharpen")
    assert (seen.route, seen.version) == ("fixed", router.cards["model"].sha256[:12])
    assert seen.expected is None  # it was not fitted for this model
