"""One part of the campaign: its size, its dice, and what it found, as a file for the table."""

import json
import resource
import subprocess
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "reports" / "campaign"
SIZES = ("slice", "day", "full")


@dataclass
class Part:
    """What a test of the campaign is given: so many `rounds`, and dice thrown by `seed`."""

    name: str
    what: str
    unit: str
    size: str
    rounds: int
    full: int
    seed: int
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, zlib.crc32(self.name.encode())])
        self._began, self._cpu_s = time.monotonic(), _cpu_s()

    def note(self, text: str) -> None:
        """A finding for the table."""
        self.found.append(text)
        print(f"{self.name}: {text}", flush=True)

    def write(self, passed: bool) -> None:
        """The row, beside those of the other parts of this size."""
        row = {
            "what": self.what,
            "unit": self.unit,
            "rounds": self.rounds,
            "full": self.full,
            "seed": self.seed,
            "passed": passed,
            "found": self.found,
            "seconds": round(time.monotonic() - self._began, 1),
            "cpu_s": round(_cpu_s() - self._cpu_s, 1),
            "commit": commit(),
        }
        folder = FOLDER / self.size
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(row, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{self.name}.json").write_text(text, encoding="utf-8")


def commit() -> str:
    """Of the code that is tried, with a + where files differ from it."""
    git = ["git", "-C", str(REPOSITORY)]
    done = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True)
    if done.returncode:
        return "unknown"
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", "kdsharp", "pipeline", "tests/campaign"],
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() + "+" * bool(changed.stdout.strip())


def _cpu_s() -> float:
    """Of this process and of all that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
