"""Look for known vulnerabilities in the packages of requirements.lock, with pip-audit.

    python scripts/audit.py                  # exit code 1: found some, 3: could not look
    python scripts/audit.py --if-reachable   # 0 if it could not look; the line is the same

A release with known vulnerabilities is asked about first, because a mirror of the packages may
know of none at all, and pip-audit takes that for good news.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["UnreachableError", "ask", "audit", "main"]

LOCK = Path(__file__).parents[1] / "requirements.lock"
SECONDS = 60.0
"""For all of it."""

PROBE = "jinja2==2.10"
"""A release that is known to be vulnerable."""

IGNORED: Mapping[str, str] = {}
"""Ids of vulnerabilities that do not concern the project, each with the reason."""


class UnreachableError(Exception):
    """Vulnerabilities cannot be looked up; the message is why."""


def ask(requirements: Path, seconds: float) -> list[dict[str, Any]]:
    """What pip-audit says about each requirement: `name`, `version` and `vulns`, or `skip_reason`.

    Raises `UnreachableError` if there is no answer within `seconds` or no connection, and
    `RuntimeError` if pip-audit fails for another reason.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements)]
    command += ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off"]
    for known in IGNORED:
        command += ["--ignore-vuln", known]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(seconds, 1))
    except subprocess.TimeoutExpired:
        raise UnreachableError("no answer in time") from None
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip() or "pip-audit said nothing").splitlines()[-1]
        lower = last.lower()
        if any(word in lower for word in ("connect", "timed out", "timeout", "resolve")):
            raise UnreachableError(last) from None
        raise RuntimeError(last) from None
    return packages


def audit(lock: Path = LOCK, seconds: float = SECONDS) -> list[str]:
    """A line for each vulnerability of a package in `lock`. Raises as `ask` does."""
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.txt"
        probe.write_text(f"{PROBE}\n", encoding="utf-8")
        if not any(package.get("vulns") for package in ask(probe, seconds / 3)):
            raise UnreachableError(f"none is known of {PROBE}, which has some")
    packages = ask(lock, end - time.monotonic())
    if skipped := [package["name"] for package in packages if "skip_reason" in package]:
        print(f"audit: could not look up {', '.join(skipped)}")
    return [
        f"{package['name']} {package['version']}: {found['id']}, {_remedy(found['fix_versions'])}"
        for package in packages
        for found in package.get("vulns", ())
    ]


def main(words: list[str] | None = None) -> int:
    """Print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--if-reachable",
        action="store_true",
        help="do not fail if vulnerabilities cannot be looked up",
    )
    chosen = parser.parse_args(words)
    if importlib.util.find_spec("pip_audit") is None:
        print("audit: pip-audit is missing: run make setup", file=sys.stderr)
        return 2
    try:
        lines = audit()
    except UnreachableError as error:
        print(
            f"audit: skipped, known vulnerabilities cannot be looked up: {error}", file=sys.stderr
        )
        return 0 if chosen.if_reachable else 3
    except RuntimeError as error:
        print(f"audit: pip-audit failed: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines) or "audit: no known vulnerabilities in requirements.lock")
    return 1 if lines else 0


def _remedy(fixes: list[str]) -> str:
    return f"fixed in {' and '.join(fixes)}" if fixes else "not fixed yet"


if __name__ == "__main__":
    sys.exit(main())
