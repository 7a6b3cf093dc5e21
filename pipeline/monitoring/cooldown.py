"""At most one retraining in a cool-down: who claims it first has it, whatever else runs.

The claim lies beside the model in production, as all worktrees of a checkout share that, and
outlives servers and reboots. It is read and written under a lock, and replaced in one step.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from kdsharp.errors import UserError
from kdsharp.files import write_json
from pipeline.lock import PATIENT, locked
from pipeline.paths import PRODUCTION

__all__ = ["CLAIM", "Claim", "Claimed", "claim", "last_claim", "release"]

CLAIM = PRODUCTION.with_name(".retraining.json")
"""The last claim."""

How = Literal["asked", "started"]

_DAY = 86_400.0


@dataclass(frozen=True)
class Claim:
    """A retraining that was proposed to a person, or started, at `when` (seconds since 1970)."""

    when: float
    how: How
    proposal: str

    def __str__(self) -> str:
        day = datetime.fromtimestamp(self.when, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"a retraining was {'started' if self.how == 'started' else 'proposed'} on {day}"


def last_claim(path: Path = CLAIM) -> Claim | None:
    """The last one; None before the first. Raises `UserError` for a damaged file."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Claim(float(said["when"]), said["how"], str(said["proposal"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: is damaged: remove it, which ends the cool-down") from None


@dataclass(frozen=True)
class Claimed:
    """The claim that holds: `ours`, or another's; `before` is the one that ours replaced."""

    holds: Claim
    ours: bool
    before: Claim | None = None


def claim(how: How, days: float, make: Callable[[], str], now: float | None = None) -> Claimed:
    """Claim the one retraining of `days`, unless somebody has it; then nothing is made.

    `make` writes the proposal and returns its path; it is called by the winner alone. What was only
    asked for may still be started within the `days`. A claim that seems to lie further ahead than
    the cool-down was made by a wrong clock, and does not count.
    """
    when = time.time() if now is None else now
    with locked("retraining", PATIENT):
        last = last_claim()
        cooling = last is not None and abs(when - last.when) < days * _DAY
        if last is not None and cooling and not (last.how == "asked" and how == "started"):
            return Claimed(last, ours=False)
        ours = Claim(when, how, make())
        write_json(CLAIM, asdict(ours))
        return Claimed(ours, ours=True, before=last)


def release(claimed: Claimed) -> None:
    """Put back what `claim` found, because nothing was started; not if others came since."""
    with locked("retraining", PATIENT):
        if last_claim() != claimed.holds:
            return
        if claimed.before:
            write_json(CLAIM, asdict(claimed.before))
        else:
            CLAIM.unlink(missing_ok=True)
