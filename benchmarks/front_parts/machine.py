"""What the numbers were taken on: processor, versions, commit, and who else was at work."""

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmarks.front_parts.photos import VARIABLE

__all__ = ["Others", "commit", "cpu", "made_by", "versions"]


def cpu() -> str:
    """The processor's own name, and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8").splitlines()
        name = next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


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
    """The commit that is checked out, and whether files that git knows differ from it."""
    try:
        name = _git("rev-parse", "--short=10", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "no git checkout"
    return f"{name}, with changes that are not committed" if changed else name


def made_by(program: str) -> str:
    """The command line of this run of `program`, without the paths of this machine."""
    given = f" with `${VARIABLE}` set" if os.environ.get(VARIABLE) else ""
    command = shlex.join(["python", program, *map(_neutral, sys.argv[1:])])
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
    done = subprocess.run(["git", *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()
