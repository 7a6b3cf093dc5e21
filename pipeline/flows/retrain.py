"""The flow `retrain`: each stage of dvc.yaml as a task with retries, logs and artifacts."""

from typing import Any

from prefect import Task, flow, get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from pipeline.flows.plan import plan
from pipeline.flows.publish import publish
from pipeline.flows.repro import Outcome, StageError, repro
from pipeline.params import load_params

__all__ = ["retrain"]

RETRY_SECONDS: list[float] = [5, 20, 60]
"""Pauses before another try; only for what may pass by itself."""


@flow(name="retrain", persist_result=False, validate_parameters=False)
def retrain() -> dict[str, Outcome]:
    """Bring all stages up to date and publish the results; returns what became of each stage.

    Raises `UserError` for a mistake in params.yaml or dvc.yaml, before any stage runs, and
    `StageError` for the stage that failed.
    """
    load_params()
    outcomes: dict[str, Outcome] = {name: _stage_task(name)(name) for name in plan()}
    log = get_run_logger()
    if all(outcome == "unchanged" for outcome in outcomes.values()):
        log.info("nothing changed: all %d stages are up to date", len(outcomes))
    publish(outcomes)
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
    log = get_run_logger()
    log.info("%s ...", name)
    try:
        outcome = repro(name, log.info)
    except StageError as error:
        tried = task_run.run_count
        if error.transient and tried <= len(RETRY_SECONDS):
            log.warning("%s; trying again in %g s", error, RETRY_SECONDS[tried - 1])
        raise
    log.info("%s: %s", name, outcome)
    return outcome


def _may_pass(_task: Any, _run: Any, state: Any) -> bool:
    error = state.data
    return isinstance(error, StageError) and error.transient
