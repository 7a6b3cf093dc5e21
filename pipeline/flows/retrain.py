"""The flow `retrain`: each stage of dvc.yaml as a task with retries, then what follows from it."""

import contextlib
from pathlib import Path
from typing import Any

from prefect import State, Task, flow, get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from kdsharp.errors import UserError
from pipeline.flows.artifacts import publish_results, publish_summary
from pipeline.flows.deliver import Delivery, deliver
from pipeline.flows.promote import TURNED_DOWN, log, turned_down
from pipeline.params import load_params
from pipeline.release.promotion.teacher_age import is_due
from pipeline.services.prefect_server import require_pages
from pipeline.workspace.branch import clean_afterwards
from pipeline.workspace.dag import plan
from pipeline.workspace.repro import StageError, repro
from pipeline.workspace.stage import Outcome

__all__ = ["RETRY_SECONDS", "retrain"]

RETRY_SECONDS: list[float] = [5, 20, 60]
"""Pauses before another try; only for what may pass by itself."""


@flow(name="retrain", persist_result=False)
def retrain(
    distill_only: bool = False,
    promote: bool = False,
    commit: bool = False,
    teacher_every: int = 0,
    proposal: str = "",
) -> Delivery | State[Any]:
    """Bring all stages up to date and publish the results; returns what was done with these.

    Where the gate or a person turned the result down, the run ends in a failed state that is called
    Refused or Rejected: nothing is wrong with it, but somebody should look.

    With `distill_only` the student learns from the teacher in production. With `teacher_every` N so
    does that of all runs but one in N, which trains a teacher; promoted, if at all, through its own
    gate. `promote` registers
    what is new and promotes it if the gate allows; `commit` commits dvc.lock to a branch, in the
    worktree of a scheduled run. `proposal` names a file that the monitor has written, which is laid
    over params.yaml first.
    Raises `UserError` for a mistake in params.yaml or dvc.yaml, before any stage runs, and
    `StageError` for the stage that failed.
    """
    if proposal:
        from pipeline.flows.proposed import apply_proposal

        apply_proposal(Path(proposal), log)
    params = load_params()
    renew = False
    if teacher_every:
        if distill_only or teacher_every < 0:
            raise UserError("teacher_every is 1 or more, and decides itself when to distill only")
        renew, why = is_due(params, teacher_every)
        log(why)
        distill_only = not renew
    if promote:
        require_pages(params.promotion)
    with clean_afterwards() if commit else contextlib.nullcontext():
        outcomes = _run_stages(distill_only)
        publish_summary(outcomes, ())
        renew = renew and params.student.needs_teacher
        delivery = deliver(outcomes, promote=promote, commit=commit, teacher=renew)
        if delivery.lines:
            publish_summary(outcomes, delivery.lines)
    if delivery.decision in TURNED_DOWN:
        return turned_down(delivery.decision, delivery.lines[-1].strip())
    return delivery


def _run_stages(distill_only: bool) -> dict[str, Outcome]:
    stages = plan()
    if distill_only:
        from pipeline.release.promotion.pull import fetch_production_teacher

        fetch_production_teacher(log)
        stages.remove("teacher")
    outcomes: dict[str, Outcome] = {name: _stage_task(name)(name) for name in stages}
    if all(outcome == "unchanged" for outcome in outcomes.values()):
        log(f"nothing changed: all {len(outcomes)} stages are up to date")
    else:
        publish_results()
    return outcomes


def _stage_task(name: str) -> Task[[str], Outcome]:
    # DVC knows what is up to date; a result that Prefect cached would only be a second opinion.
    return Task(
        _run_stage,
        name=name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=len(RETRY_SECONDS),
        retry_delay_seconds=RETRY_SECONDS,
        retry_condition_fn=_may_pass,
    )


def _run_stage(name: str) -> Outcome:
    logger = get_run_logger()
    logger.info("%s ...", name)
    try:
        outcome = repro(name, logger.info)
    except StageError as error:
        tried = task_run.run_count
        if error.transient and tried <= len(RETRY_SECONDS):
            logger.warning("%s; trying again in %g s", error, RETRY_SECONDS[tried - 1])
        raise
    logger.info("%s: %s", name, outcome)
    return outcome


def _may_pass(_task: Any, _run: Any, state: Any) -> bool:
    error = state.data
    return isinstance(error, StageError) and error.transient
