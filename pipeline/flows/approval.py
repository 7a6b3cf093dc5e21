"""A person decides in Prefect's pages, with the evidence in front of them."""

from collections.abc import Callable

from prefect import flow, get_run_logger, pause_flow_run
from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import FlowPauseTimeout
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from pipeline.release.promotion.promote import Answer

__all__ = ["Answered", "approver"]

_POLL_S = 5


class Answered(RunInput):
    """The form."""

    approve: bool
    why: str = ""
    who: str = ""


def approver(subject: str, hours: float) -> Callable[[str], Answer]:
    """A function that shows evidence about `subject` and waits up to `hours` for an answer.

    No answer counts as no.
    """

    # A flow run of its own: one that pauses gives up its deployment's place, and Prefect ends
    # it for that some minutes later. The run that waits for this one keeps its place.
    @flow(name="approve", flow_run_name=f"approve {subject}", persist_result=False)
    def approve(evidence: str) -> Answer:
        create_markdown_artifact(evidence, key="approval-evidence", description=subject)
        page = url_for("flow-run", flow_run.id)
        get_run_logger().info("a person decides about %s: %s", subject, page)
        form = Answered.with_initial_data(description=evidence)
        try:
            decision = pause_flow_run(form, timeout=round(hours * 3600), poll_interval=_POLL_S)
        except FlowPauseTimeout:
            return Answer(False, "nobody", f"no answer within {hours:g} h")
        who = decision.who.strip() or "somebody in Prefect's pages"
        return Answer(decision.approve, who, decision.why.strip())

    return approve
