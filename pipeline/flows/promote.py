"""The flows `promote` and `rollback`: another model in production, or the reason why not."""

from typing import Any

from prefect import State, flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed

from pipeline.flows.pages import require_pages
from pipeline.flows.publish import publish_promotion
from pipeline.params import load_params
from pipeline.promotion.change import Promotion

__all__ = ["decide", "promote", "rollback", "say"]


def say(line: str) -> None:
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
    from pipeline.promotion.rollback import rollback as roll_back

    done = roll_back(model, steps, why=why, who=_who(), say=say)
    publish_promotion(done)
    return _state(done)


def decide(
    model: str = "student", version: int | None = None, *, force: bool = False, why: str = ""
) -> Promotion:
    """Promote within a flow run and publish the report; asks a person where params.yaml says so."""
    from pipeline.promotion.promote import promote as promote_version

    params = load_params().promotion
    require_pages(params)
    approve = None
    if params.approval == "manual":
        from pipeline.flows.approval import approver

        subject = f"{model} {version}" if version else f"the candidate {model}"
        approve = approver(subject, params.approval_hours)
    done = promote_version(
        model, version, force=force, why=why, who=_who(), approve=approve, say=say
    )
    publish_promotion(done)
    return done


def _who() -> str:
    """The flow run that acts, by the name that Prefect's pages show."""
    return f"flow run {flow_run.name}"


def _state(done: Promotion) -> State[Any]:
    """The outcome as the state's name: Promoted, Refused ... One look at the list of runs tells."""
    say(f"{done.name} {done.version}: {done.outcome}: {done.reason}")
    return Completed(name=done.outcome.capitalize(), message=done.reason)
