"""Promote and roll back at a terminal: ask a person there, say what became of it, draw the page."""

import sys

from kdsharp.errors import UserError
from pipeline.promotion.change import Promotion, me
from pipeline.promotion.page import write_page
from pipeline.promotion.promote import Answer, promote
from pipeline.promotion.rollback import rollback

__all__ = ["promote_here", "rollback_here"]


def promote_here(model: str, version: int | None, *, force: bool, why: str) -> int:
    """Promote, print the evidence; returns the exit code: 1 when the candidate was turned down."""
    ask = _ask if sys.stdin.isatty() else None
    done = promote(model, version, force=force, why=why, approve=ask)
    if done.outcome == "unchanged":
        print(done.reason)
        return 0
    print(f"{done.name} version {done.version}: {done.outcome}: {done.reason}")
    _show_page(done)
    return 0 if done.outcome == "promoted" else 1


def rollback_here(model: str, steps: int, *, why: str) -> None:
    """Roll back and say so."""
    done = rollback(model, steps, why=why)
    print(f"{done.name}: {done.reason}")
    _show_page(done)


def _ask(report: str) -> Answer:
    """The evidence, and a question that only `yes` answers with yes."""
    print(f"\n{report}\n")
    approved = input("Promote it? Type yes: ").strip().lower() == "yes"
    return Answer(approved, me(), input("Why (recorded)? ").strip())


def _show_page(done: Promotion) -> None:
    try:
        print(f"history: {write_page(done.name)}")
    except (OSError, UserError) as error:  # what was done is done; the page is only a view of it
        print(f"warning: the page of the history was not written ({error})")
