"""What the service's shadow saw of a candidate: shown beside the decision, and deciding nothing.

A PSNR between two answers says how much would change for people, and not which answer is better.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kdsharp.errors import UserError
from kdsharp.runtime.card import read_card
from pipeline.release.gate.evidence import Check

__all__ = ["shadow_check", "shadow_lines"]

_VERSION = 12  # digits of a model's SHA-256, as the service says it


def shadow_check(log: Path, folder: Path) -> tuple[Check, dict[str, Any]]:
    """The check `shadow`, which always passes: what `log` says of the student in `folder`."""
    try:
        version = read_card(folder, files=False).sha256[:_VERSION]
    except UserError as error:
        return Check("shadow", True, f"skipped: {error}"), {}
    if not log.is_file():
        return Check("shadow", True, f"skipped: monitor.shadow_log {log} is not there"), {}
    every = list(shadow_lines(log))
    lines = [one for one in every if one.get("shadow_version") == version]
    failed = sum("problem" in one for one in every)
    if not lines:
        text = f"{log} has no line about it: kdsharp serve --shadow FOLDER --shadow-log {log}"
        return Check("shadow", True, text), {}
    apart = np.array([_number(one, "psnr", 99.0) for one in lines])
    sent = np.array([_number(one, "shadow_sent") / max(_number(one, "sent"), 1.0) for one in lines])
    seconds = np.array([_number(one, "shadow_seconds") for one in lines])
    numbers = {
        "seen": len(lines),
        "failed": failed,
        "psnr_between": float(np.median(apart)),
        "bytes_ratio": float(np.median(sent)),
        "seconds": float(np.median(seconds)),
    }
    text = (
        f"in the service's shadow it saw {len(lines)} pictures: {numbers['psnr_between']:.1f} dB "
        f"between its answer and production's (median; the tenth most different "
        f"{np.percentile(apart, 10):.1f} dB or less), {numbers['bytes_ratio']:.2f} times the "
        f"bytes, {numbers['seconds']:.3f} s each"
    )
    if failed:
        text += f"; {failed} pictures failed in a shadow, which the log names"
    return Check("shadow", True, text), numbers


def shadow_lines(log: Path) -> Iterator[dict[str, Any]]:
    """The lines that are whole; one that a killed process began is passed over."""
    with log.open(encoding="utf-8", errors="replace") as opened:
        for line in opened:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                yield said


def _number(line: dict[str, Any], key: str, missing: float = 0.0) -> float:
    value = line.get(key)
    return float(value) if isinstance(value, int | float) else missing
