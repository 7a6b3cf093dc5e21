"""One retraining in a cool-down, however many ask for it at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.monitoring.cooldown import CLAIM, claim, last_claim, release

DAY = 86_400.0

RACE = """
import sys
from pipeline.monitoring.cooldown import claim
won = claim("started", 14, lambda: "by-" + sys.argv[1] + ".yaml")
print("won" if won.ours else "lost", won.holds.proposal)
"""


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def never():
    raise AssertionError("nothing is proposed twice")


def test_the_second_gets_nothing_until_it_is_over():
    assert last_claim() is None
    first = claim("started", 14, lambda: "a.yaml", now=100 * DAY)
    assert first.ours
    later = claim("started", 14, never, now=113.9 * DAY)
    assert (later.ours, later.holds) == (False, first.holds)
    assert claim("asked", 14, never, now=113.9 * DAY).holds.proposal == "a.yaml"
    assert claim("started", 14, lambda: "b.yaml", now=114.1 * DAY).ours
    assert last_claim().proposal == "b.yaml"


def test_what_was_only_asked_for_may_still_be_started_and_only_once():
    claim("asked", 14, lambda: "a.yaml", now=100 * DAY)
    assert not claim("asked", 14, never, now=101 * DAY).ours
    assert claim("started", 14, lambda: "b.yaml", now=101 * DAY).ours
    assert not claim("started", 14, never, now=102 * DAY).ours


def test_a_clock_that_was_wrong_blocks_nothing_for_ever():
    claim("started", 14, lambda: "a.yaml", now=40_000 * DAY)
    assert not claim("started", 14, never, now=39_990 * DAY).ours  # set back within the cool-down
    assert claim("started", 14, lambda: "b.yaml", now=100 * DAY).ours


def test_what_could_not_be_started_is_given_back():
    first = claim("asked", 14, lambda: "a.yaml", now=100 * DAY)
    second = claim("started", 14, lambda: "b.yaml", now=101 * DAY)
    release(second)
    assert last_claim() == first.holds
    release(second)  # others' claims stay
    assert last_claim() == first.holds
    release(first)
    assert not CLAIM.exists()


def test_a_proposal_that_cannot_be_written_claims_nothing():
    def fails():
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        claim("started", 14, fails)
    assert last_claim() is None


def test_a_damaged_file_says_what_to_do():
    CLAIM.parent.mkdir()
    CLAIM.write_text('{"when": ')
    with pytest.raises(UserError, match="is damaged: remove it"):
        claim("started", 14, never)


def test_of_several_processes_one_wins():
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", RACE]
    processes = [
        subprocess.Popen(
            [*command, str(number)], stdout=subprocess.PIPE, text=True,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
        )
        for number in range(4)
    ]  # fmt: skip
    said = [process.communicate()[0].split() for process in processes]
    assert sorted(words[0] for words in said) == ["lost", "lost", "lost", "won"]
    assert len({words[1] for words in said}) == 1
    assert last_claim().proposal == said[0][1]
