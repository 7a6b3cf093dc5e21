"""A clock that is set back or forward between two runs: versions stay in their order."""

import calendar
import os
import sys
import time

import pytest

from tests.integration.conftest import commit
from tests.integration.test_promotion import pipeline, status

pytestmark = [pytest.mark.integration, pytest.mark.timeout(0)]

DAY_S = 86_400
LONGEST = 1500  # days


# Python sleeps until a moment of a clock, which libfaketime 0.9.10 moves now and then to one that
# the system refuses ("Invalid argument"): no clock that is wrong does that.
SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""


@pytest.fixture
def shifted(tmp_path):
    """days -> the variables under which a process has a clock that is so far off."""
    found = [
        path
        for folder in ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")
        for path in sorted(_libraries(folder))
    ]
    if not found:
        pytest.skip("libfaketime is not installed (on Debian and Ubuntu: apt install faketime)")
    (tmp_path / "sitecustomize.py").write_text(SLEEP)
    return lambda days: {
        "LD_PRELOAD": found[0],
        "PYTHONPATH": str(tmp_path),
        "FAKETIME": f"{round(days * DAY_S):+d}s",
        # What waits for seconds to pass is to wait as long as ever.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def _libraries(folder):
    for root, _, names in os.walk(folder):
        yield from (f"{root}/{name}" for name in names if name == "libfaketime.so.1")


@pytest.mark.campaign(
    "the clock set back or forward by up to four years between training, `register`, `promote`",
    unit="settings of the clock",
    slice=0,
    day=8,
    full=50,
)
def test_clocks(part, project, shifted):
    pipeline(project, "register")
    pipeline(project, "promote", "--force", "--why", "a test")
    days = []
    for number in range(2, part.rounds + 2):
        # The first one goes back; files that are not made anew now lie in its future.
        away = float(part.rng.uniform(-LONGEST, -1 if number == 2 else LONGEST))
        days.append(round(away))
        clock = shifted(away)
        project.set(student__loop__seed=number)
        project.run("dvc", "repro", "-q", **clock)
        commit(project, "Train")
        verb(project, "register", **clock)
        verb(project, "promote", "--force", "--why", f"{away:.0f} days", **clock)
        found = status(project)
        numbers = [version["version"] for version in found["versions"]]
        assert numbers == [*range(1, number + 1)]
        assert (found["production"], found["previous"]) == (number, number - 1)
        assert found["in_place"]
        assert found["here"] == number
        assert [entry["number"] for entry in found["history"]] == [*range(1, number + 1)]
        assert abs(seconds_of(found["history"][-1]["when"]) - time.time() - away * DAY_S) < DAY_S
        assert f"promote {number - 1} -> {number}" in verb(project, "status", **clock)
        assert "up to date" in project.run("dvc", "repro").stdout
    verb(project, "rollback", "--why", "the clock is right again")
    assert status(project)["production"] == part.rounds
    part.note(
        f"shifts of {', '.join(f'{one:+d}' for one in days)} days: every version and every "
        "change in its order, a rollback brings back the one before"
    )


def verb(project, *words, **env):
    """A command of its own: a fork of a running process has no other clock."""
    done = project.run(sys.executable, "-W", "ignore", "-m", "pipeline", *words, code=None, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def seconds_of(when):
    return calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%SZ"))
