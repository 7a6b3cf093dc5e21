"""Several retrainings at once, in one checkout: one runs, the others wait or say so."""

import subprocess

import pytest

from tests.campaign.processes import wait_until_alone
from tests.campaign.test_kills import RETRAIN, small  # noqa: F401 - a fixture
from tests.integration.test_retrain import environment, states

pytestmark = [pytest.mark.integration, pytest.mark.timeout(0)]

SAID = ("another DVC command is at work in this checkout", "Prefect")


@pytest.mark.campaign(
    "retrainings of one checkout, started at once (two short stages)",
    unit="retrainings",
    slice=0,
    day=8,
    full=8,
)
def test_retrainings_at_once(part, small):  # noqa: F811
    started = [
        subprocess.Popen(
            RETRAIN,
            cwd=small,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(part.rounds)
    ]
    said = [process.communicate()[0] for process in started]
    codes = [process.returncode for process in started]
    wait_until_alone(small, 60)
    assert 0 in codes
    for code, text in zip(codes, said, strict=True):
        assert "Traceback" not in text
        assert code in (0, 1, 2), text
        if code:
            last = text.rstrip().splitlines()[-1]
            assert last.startswith("pipeline: error: "), text
            assert any(words in last for words in SAID), text
    trained = sum("second: ran" in text for text in said)
    assert trained == 1, said
    whole = (small / "second.txt").read_text()
    again = subprocess.run(RETRAIN, cwd=small, env=environment(), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "nothing changed: all 2 stages are up to date" in again.stdout
    assert (small / "second.txt").read_text() == whole
    assert not set(states(small)) & {"Running", "Pending", "Scheduled"}
    ended = [text.rstrip().splitlines()[-1] for code, text in zip(codes, said, strict=True) if code]
    waited = sum("trying again" in text for text in said)
    part.note(
        f"1 trained, {codes.count(0) - 1} found its result, {len(ended)} ended with one line, "
        f"{waited} had waited; nothing to do afterwards"
    )
