"""Kills, races and servers that go away, while models are promoted.

`KDSHARP_FAULT_ROUNDS=20 make test-integration` repeats kills and races that many times.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.integration.test_promotion import pipeline, retrained

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

ROUNDS = int(os.environ.get("KDSHARP_FAULT_ROUNDS", "1"))
DRIVER = Path(__file__).with_name("kills.py")


@pytest.fixture
def two_versions(project):
    """Version 1 in production, version 2 a better candidate."""
    pipeline(project, "register")
    pipeline(project, "promote")
    retrained(project, "Better", student__loop__epochs=6)
    return project


def test_killed_between_any_two_steps(two_versions):
    """What is in production is the old version or the new one, and the next promotion heals it."""
    done = two_versions.run(
        sys.executable, "-W", "ignore", str(DRIVER), str(ROUNDS), PYTHONPATH=str(two_versions.root)
    )
    steps = json.loads(done.stdout.splitlines()[-1])
    assert steps["promote"] > 15
    assert steps["rollback"] > 4
