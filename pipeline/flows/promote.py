"""The flows `promote` and `rollback`: another model in production, or the reason why not."""

import os
from typing import Any

from prefect import State, flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from pipeline.flows.artifacts import publish_promotion
from pipeline.params import load_params
from pipeline.release.promotion.production import Promotion
from pipeline.services.prefect_server import require_pages

__all__ = ["TURNED_DOWN", "decide", "log", "promote", "rollback", "turned_down"]

TURNED_DOWN = ("refused", "rejected")
"""Outcomes that are red in Prefect's pages, under their own names."""


def log(line: str) -> None:
    """A line in the pages of the flow run, and at the terminal."""
    get_run_logger().info("%s", line)


@flow(name="promote", persist_result=False)
def promote(
    model: str = "student", version: int | None = None, force: bool = False, why: str = ""
) -> State[Any]:
    """Put the candidate, or `version`, into production if the gate and a person allow it."""
    return _state(decide(model, version, force=force, why=why))


@flow(name="rollback", persist_result=False)
def rollback(model: str = "student", steps: int = 1, why: str = "") -> State[Any]:
    """Put back what was in production `steps` promotions ago."""
    from pipeline.release.promotion.rollback import rollback as roll_back

    done = roll_back(model, steps, why=why, who=_who(), log=log)
    publish_promotion(done)
    return _state(done)


def decide(
    model: str = "student", version: int | None = None, *, force: bool = False, why: str = ""
) -> Promotion:
    """Promote within a flow run and publish the report; asks a person where params.yaml says so.

    Without a standing server nobody sees its pages, and weak evidence is an error.
    """
    from pipeline.release.promotion.promote import promote as promote_version

    params = load_params().promotion
    require_pages(params)
    approve = None
    asked_for_weak = params.weak == "ask" and bool(os.environ.get("PREFECT_API_URL"))
    if params.approval == "manual" or asked_for_weak:
        from pipeline.flows.approval import approver

        subject = f"{model} {version}" if version else f"the candidate {model}"
        approve = approver(subject, params.approval_hours)
    done = promote_version(
        model, version, force=force, why=why, who=_who(), approve=approve, log=log
    )
    publish_promotion(done)
    if done.next_step:
        log(done.next_step)
    return done


def _who() -> str:
    """The flow run that acts, by the name that Prefect's pages show."""
    return f"flow run {flow_run.name}"


def turned_down(outcome: str, reason: str) -> State[Any]:
    """The state of a run whose result did not go into production."""
    return Failed(name=outcome.capitalize(), message=reason)


def _state(done: Promotion) -> State[Any]:
    """The outcome as the state's name: Promoted, Refused ... The list of runs shows it."""
    log(f"{done.name} {done.version}: {done.outcome}: {done.reason}")
    if done.outcome in TURNED_DOWN:
        return turned_down(done.outcome, done.reason)
    return Completed(name=done.outcome.capitalize(), message=done.reason)
