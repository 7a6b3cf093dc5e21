"""git, without the hooks and the signing of the person whose checkout this is."""

import subprocess
from pathlib import Path

from kdsharp.errors import UserError

__all__ = ["git"]

_NEUTRAL = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false")


def git(*arguments: str, at: Path | None = None) -> str:
    """What `git ARGUMENTS` prints in the folder `at`; `UserError` with git's own words."""
    try:
        done = subprocess.run(
            ["git", *_NEUTRAL, *arguments], cwd=at, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise UserError("git is missing: install it with your package manager") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        raise UserError(f"git {arguments[0]}: {said}")
    return done.stdout.rstrip("\n")
