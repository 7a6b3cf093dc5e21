"""The flow `monitor`: what production shows, every hour; the verdict is the run's state."""

from pathlib import Path
from typing import Any

from prefect import State, flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed

from kdsharp.observe.log import has_observations
from pipeline.flows.respond import respond
from pipeline.monitoring.record import record
from pipeline.monitoring.run import PAGE, Request
from pipeline.monitoring.run import monitor as judge
from pipeline.monitoring.terminal import markdown

__all__ = ["monitor"]


@flow(name="monitor", flow_run_name="monitor", persist_result=False)
def monitor(folder: str = "observations", against: str | None = None) -> State[Any]:
    """Judge the observations in `folder`: the run is named Fine, Watch, Drifted or Falling.

    All four are completed runs: what failed is production, and $KDSHARP_NOTIFY hears of it. The
    last two propose or start a retraining, as `monitor.retrain` says. Without observations there
    is nothing to do.
    """
    log = get_run_logger()
    if not has_observations(Path(folder)):
        log.info("%s: nothing was observed", folder)
        return Completed(name="Nothing", message=f"{folder}: nothing was observed")
    verdict = judge(Request(Path(folder), Path(against) if against else None))
    record(verdict, PAGE)
    said = f"{verdict.verdict}: {'; '.join(verdict.reasons)}"
    if done := respond(verdict, may_start=True):
        said += f"; {done}"
    log.info("%s", said)
    create_markdown_artifact(markdown(verdict, done), key="monitor", description=said[:200])
    return Completed(name=verdict.verdict.capitalize(), message=said)
