"""The monitor at a terminal: a few lines, or JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.monitoring.record import record
from pipeline.monitoring.run import GAIN, PAGE, Request, fit, monitor
from pipeline.monitoring.verdict import Verdict

__all__ = ["fit_here", "markdown", "monitor_here"]


def monitor_here(
    folder: Path,
    against: Path | None,
    model: str | None,
    out: Path | None,
    respond: Callable[[Verdict], str],
    *,
    as_json: bool,
) -> None:
    """Judge, record, and print the verdict, and what `respond` did about it."""
    target = out or PAGE
    verdict = monitor(Request(folder, against, model, target))
    run = record(verdict, target)
    done = respond(verdict)
    if as_json:
        print(json.dumps({**verdict.to_json(), "done": done}, indent=2, ensure_ascii=False))
        return
    print(f"{verdict.verdict}: {verdict.reasons[0]}")
    for reason in verdict.reasons[1:]:
        print(f"  {reason}")
    if done:
        print(f"  {done}")
    print(f"page: {target}{f', MLflow run {run}' if run else ''}")


def fit_here(on: Path | None, out: Path | None, seed: int, model: str | None = None) -> None:
    """Fit what predicts the gain, and print how often its interval held."""
    target = out or GAIN
    about = fit(on, target, seed, model=model).about
    for key, where in (("other_photos", "other photos"), ("other_recipes", "other recipes too")):
        if found := about[key]:
            print(
                f"{where}: the interval of 90 % held {found['held']:.1%} of {found['rows']:.0f} "
                f"gains; error {found['error']:.2f} dB, of the mean {found['mean_error']:+.2f} dB"
            )
    print(target, file=sys.stderr)


def markdown(verdict: Verdict, done: str = "") -> str:
    """For Prefect's pages; `done` is what followed from it."""
    found = verdict.evidence
    lines = [f"# Production: {verdict.verdict}", "", *(f"- {one}" for one in verdict.reasons), ""]
    gain = "unknown" if found.mean_gain is None else f"{found.mean_gain:+.2f} dB"
    lines += [f"Expected gain {gain} over {found.count} pictures, against {found.against}."]
    lines += ["", f"**{done}**"] if done else []
    if found.drift:
        lines += [
            "",
            "| feature | before | now | distance | p |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {one.feature} | {one.before:.3g} | {one.now:.3g} | {one.distance:.2f} "
            f"| {one.p:.4f} |"
            for one in found.drift
        ]
    return "\n".join(lines)
