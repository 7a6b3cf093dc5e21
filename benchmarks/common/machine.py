"""What the numbers were taken on: processor, versions, commit, and who else was at work."""

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmarks.common.photos import VARIABLE
from kdsharp.runtime.hardware import cores, cpu_name

__all__ = ["Others", "commit", "cpu", "is_clean", "made_by", "versions"]

_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("kdsharp", "pipeline", "benchmarks")
"""Where a file that git does not know, such as new weights, changes what is measured."""


def cpu() -> str:
    """The processor's own name, and the number of cores that this process may use."""
    return f"{cpu_name()}, {cores()} cores"


def versions(packages: tuple[str, ...]) -> str:
    """The packages that are installed, each with its version."""
    found = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def commit() -> str:
    """The commit that is checked out, and whether the tree differs from it."""
    try:
        name = _git("rev-parse", "--short=10", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return "no git checkout"
    return name if is_clean() else f"{name}, with changes that are not committed"


def is_clean() -> bool:
    """Whether the commit holds what runs: no file that git knows differs, and code has no others.

    False outside a git checkout.
    """
    try:
        changed = _git("status", "--porcelain", "--untracked-files=no")
        more = _git("status", "--porcelain", "--untracked-files=all", "--", *_CODE)
    except (OSError, subprocess.CalledProcessError):
        return False
    return not changed and not more


def made_by(name: str) -> str:
    """The command line of this run of the benchmark, without the paths of this machine."""
    given = f" with `${VARIABLE}` set" if os.environ.get(VARIABLE) else ""
    command = shlex.join(["python", "-m", f"benchmarks.{name}", *map(_neutral, sys.argv[1:])])
    return f"Made by `{command}`{given}; nothing here is written by hand."


class Others:
    """How much of the machine other programs take while blocks under it run, all together."""

    def __init__(self) -> None:
        self.taken = self.whole = 0.0

    def __enter__(self) -> None:
        self._began = self._now()

    def __exit__(self, *_: object) -> None:
        busy, whole, own = (b - a for a, b in zip(self._began, self._now(), strict=True))
        self.taken += max(busy - own, 0.0)
        self.whole += whole

    @property
    def share(self) -> float:
        """0 to 1, of all cores."""
        return self.taken / self.whole if self.whole else 0.0

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds that all cores were busy, that they had, and that this process took."""
        times = psutil.cpu_times()
        whole = sum(times[:8])  # what is after `steal` is counted in `user` already
        idle = times.idle + getattr(times, "iowait", 0.0)
        own = psutil.Process().cpu_times()
        return whole - idle, whole, own.user + own.system


def _neutral(word: str) -> str:
    """A path of this machine by what it is, with what names it; everything else as it was given."""
    name, equals, value = word.rpartition("=")
    path = Path(value)
    if not path.is_absolute():
        return word
    return name + equals + ("FILE" if path.suffix else "DIR")


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(_ROOT), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
