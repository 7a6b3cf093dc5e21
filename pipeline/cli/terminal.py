"""Judge, promote, roll back and look at a terminal: people are asked there, or get JSON."""

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kdsharp.errors import describe
from pipeline.release.promotion.page import write_page
from pipeline.release.promotion.production import Promotion, me
from pipeline.release.promotion.promote import Answer, promote
from pipeline.release.promotion.rollback import rollback
from pipeline.services.prefect_server import configure
from pipeline.services.state import standing

if TYPE_CHECKING:
    from pipeline.release.gate.evidence import Decision
    from pipeline.release.registry.versions import Log

__all__ = ["judge_here", "promote_here", "rollback_here", "status_here"]


def judge_here(model: str, version: int | None, *, as_json: bool) -> int:
    """Print what a promotion would come to; returns the exit code: 1 if it would not pass."""
    from pipeline.release.promotion.dry_run import dry_run

    found = dry_run(model, version, log=_aside if as_json else print)
    if as_json:
        said = {"name": found.name, "version": found.version, "previous": found.previous}
        said |= {"would": found.would, "reason": found.reason}
        _print_json({**said, "decision": _decision(found.decision)})
    else:
        if found.report:
            _print_report(found.report)
        print(f"{found.name} version {found.version} would {found.would}: {found.reason}")
    return 0 if found.passes else 1


def promote_here(
    model: str,
    version: int | None,
    *,
    force: bool,
    accept_weak: bool,
    why: str,
    as_json: bool = False,
) -> int:
    """Promote and print the evidence; returns the exit code: 1 if the candidate was turned down."""
    ask = _ask if sys.stdin.isatty() and not as_json else None
    log: Log = _aside if as_json else print
    done = promote(
        model, version, force=force, accept_weak=accept_weak, why=why, approve=ask, log=log
    )
    if as_json:
        said = {"name": done.name, "version": done.version, "previous": done.previous}
        said |= {"outcome": done.outcome, "reason": done.reason}
        _print_json({**said, "decision": _decision(done.decision, done.decision_id)})
    elif done.outcome == "unchanged":
        print(done.reason)
    else:
        print(f"{done.name} version {done.version}: {done.outcome}: {done.reason}")
    if done.outcome != "unchanged":
        _leave(done, log)
    if done.next_step:
        log(done.next_step)
    return 0 if done.outcome in {"promoted", "unchanged"} else 1


def rollback_here(model: str, steps: int, *, why: str) -> None:
    """Roll back and say so."""
    done = rollback(model, steps, why=why)
    print(f"{done.name}: {done.reason}")
    _leave(done)


def status_here(model: str, *, every: bool, as_json: bool) -> None:
    """Print the status of `model`, or of all models."""
    from pipeline.release.promotion.status import read_all, read_status
    from pipeline.release.promotion.status_text import ROWS, print_all, print_status

    if every and as_json:
        _print_json([status.to_dict() for status in read_all()])
    elif every:
        print_all(read_all())
    elif as_json:
        _print_json(read_status(model).to_dict())
    else:
        print_status(read_status(model, print, last=ROWS))


def _aside(line: str) -> None:
    """Where the output itself is JSON."""
    print(line, file=sys.stderr)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _decision(decision: "Decision | None", number: str = "") -> dict[str, Any] | None:
    return None if decision is None else {"id": number or None, **asdict(decision)}


def _print_report(report: str) -> None:
    """Markdown, drawn as tables where people look at it."""
    from rich.console import Console
    from rich.markdown import Markdown

    if sys.stdout.isatty():
        Console().print(Markdown(report))
    else:
        print(report)


def _ask(report: str) -> Answer:
    """The evidence, and a question that only `yes` answers with yes."""
    print(f"\n{report}\n")
    approved = input("Promote it? Type yes: ").strip().lower() == "yes"
    return Answer(approved, me(), input("Why (recorded)? ").strip())


def _leave(done: Promotion, log: "Log" = print) -> None:
    """Write the page, and the report into Prefect's pages where a server is up.

    The change itself is already done, so a failing report is only a warning.
    """
    try:
        log(f"history: {write_page(done.name)}")
        if os.environ.get("PREFECT_API_URL") or "prefect" in standing():
            _publish(done)
    except Exception as error:  # noqa: BLE001 - whatever Prefect raises
        log(f"warning: the report could not be left everywhere ({describe(error)})")


def _publish(done: Promotion) -> None:
    """A small flow run of its own: Prefect's artifacts belong to runs."""
    configure()
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from prefect import flow

    from pipeline.flows.artifacts import publish_promotion

    name = f"{done.name} {done.version}: {done.outcome}"
    flow(name="report", flow_run_name=name, persist_result=False)(publish_promotion)(done)
