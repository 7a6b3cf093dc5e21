"""Promote and roll back at a terminal: ask a person there, leave reports where they are read."""

import os
import sys

from kdsharp.errors import describe
from pipeline.release.promotion.page import write_page
from pipeline.release.promotion.production import Promotion, me
from pipeline.release.promotion.promote import Answer, promote
from pipeline.release.promotion.rollback import rollback
from pipeline.services.prefect_server import configure
from pipeline.services.state import standing

__all__ = ["promote_here", "rollback_here"]


def promote_here(
    model: str, version: int | None, *, force: bool, accept_weak: bool, why: str
) -> int:
    """Promote and print the evidence; returns the exit code: 1 if the candidate was turned down."""
    ask = _ask if sys.stdin.isatty() else None
    done = promote(model, version, force=force, accept_weak=accept_weak, why=why, approve=ask)
    if done.outcome == "unchanged":
        print(done.reason)
        return 0
    print(f"{done.name} version {done.version}: {done.outcome}: {done.reason}")
    _leave(done)
    return 0 if done.outcome == "promoted" else 1


def rollback_here(model: str, steps: int, *, why: str) -> None:
    """Roll back and say so."""
    done = rollback(model, steps, why=why)
    print(f"{done.name}: {done.reason}")
    _leave(done)


def _ask(report: str) -> Answer:
    """The evidence, and a question that only `yes` answers with yes."""
    print(f"\n{report}\n")
    approved = input("Promote it? Type yes: ").strip().lower() == "yes"
    return Answer(approved, me(), input("Why (recorded)? ").strip())


def _leave(done: Promotion) -> None:
    """Write the page, and the report into Prefect's pages where a server is up.

    The change itself is already done, so a failing report is only a warning.
    """
    try:
        print(f"history: {write_page(done.name)}")
        if os.environ.get("PREFECT_API_URL") or "prefect" in standing():
            _publish(done)
    except Exception as error:  # noqa: BLE001 - whatever Prefect raises
        print(f"warning: the report could not be left everywhere ({describe(error)})")


def _publish(done: Promotion) -> None:
    """A small flow run of its own: Prefect's artifacts belong to runs."""
    configure()
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from prefect import flow

    from pipeline.flows.artifacts import publish_promotion

    name = f"{done.name} {done.version}: {done.outcome}"
    flow(name="report", flow_run_name=name, persist_result=False)(publish_promotion)(done)
