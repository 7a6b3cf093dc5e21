"""What follows from a verdict that alarms: a proposed retraining, or one that is started.

The start is an event of Prefect, which the automation of the deployment `retrain/drift` answers
(prefect.yaml): it is seen, paused and traced in Prefect's pages. An automation forgets when it last
ran whenever `make up` writes it anew, so the cool-down is kept by `pipeline.monitoring.cooldown`.
"""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from pipeline.monitoring.cooldown import Claimed, How, claim, release
from pipeline.monitoring.proposal import Proposal, propose, write_proposal
from pipeline.monitoring.run import FOLDER
from pipeline.monitoring.verdict import Verdict
from pipeline.params import Params, load_params
from pipeline.paths import PARAMS

__all__ = ["DEPLOYMENT", "EVENT", "RESOURCE", "respond"]

EVENT = "kdsharp.monitor.retrain"
"""What the automation expects."""

DEPLOYMENT = "retrain/drift"

RESOURCE = "kdsharp.monitor.observations"
"""What it is about."""

_PATIENCE_S, _POLL_S = 60.0, 1.0


def respond(verdict: Verdict, *, may_start: bool) -> str:
    """Propose or start a retraining as `monitor.retrain` says; returns what was done, in words.

    Empty where nobody is alarmed, and outside a checkout. Without `may_start` nothing is started,
    because a person is there to do it.
    """
    if not verdict.alarms or not PARAMS.exists():
        return ""
    params = load_params()
    if params.monitor.retrain == "never":
        return "monitor.retrain is never: no retraining is proposed"
    proposal = propose(verdict, params)
    if proposal is None:
        return (
            "no retraining is proposed: no degradation has risen, and no pictures were kept that a "
            "teacher could answer (kdsharp serve --observe-pictures 0.01, data.source: folder)"
        )
    if params.monitor.retrain == "auto" and may_start:
        return _start(proposal, params)
    claimed = _claim("asked", proposal, params)
    if not claimed.ours:
        return f"{claimed.holds}, within monitor.cooldown_days: {claimed.holds.proposal}"
    path = Path(claimed.holds.proposal)
    return f"a retraining is proposed: {path}; start it: {_command(proposal, path)}"


def _claim(how: How, proposal: Proposal, params: Params) -> Claimed:
    def make() -> str:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        path = (FOLDER / "proposals" / f"{stamp}.yaml").absolute()
        write_proposal(proposal, path, _command(proposal, path))
        return str(path)

    return claim(how, params.monitor.cooldown_days, make)


def _start(proposal: Proposal, params: Params) -> str:
    """Claim, send the event, and see that the automation has made a run of it."""
    from prefect import get_client
    from prefect.client.schemas.filters import DeploymentFilter
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.events import emit_event
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            return f"monitor.retrain is auto, but Prefect's server has no {DEPLOYMENT}: make up"
        claimed = _claim("started", proposal, params)
        if not claimed.ours:
            return f"{claimed.holds}, within monitor.cooldown_days: none is started"
        path = claimed.holds.proposal
        try:
            emit_event(EVENT, {"prefect.resource.id": RESOURCE}, payload={"proposal": path})
        except BaseException:
            release(claimed)
            raise
        ours = DeploymentFilter.model_validate({"id": {"any_": [deployment.id]}})
        newest = FlowRunSort.EXPECTED_START_TIME_DESC
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            runs = client.read_flow_runs(deployment_filter=ours, sort=newest, limit=5)
            for run in runs:
                if run.parameters.get("proposal") == path:
                    return f"a retraining was started: {run.name}, by {path}"
            time.sleep(_POLL_S)
    # The claim stays: late is better than twice.
    return (
        f"a retraining was asked for, but no run began within {_PATIENCE_S:.0f} s: is the "
        f"automation of {DEPLOYMENT} switched off? Start it: {_command(proposal, Path(path))}"
    )


def _command(proposal: Proposal, path: Path) -> str:
    from pipeline.services.state import standing

    if "PREFECT_API_URL" in os.environ or "prefect" in standing():
        return f"prefect deployment run {DEPLOYMENT} --param proposal={path}"
    retrain = f"python -m pipeline retrain --proposal {path}"
    # A flow's run has a worktree; here, params.yaml of a model of its own belongs on a branch.
    own = proposal.params.get("degradation", {}).get("name")
    return f"git switch --create {own} && {retrain}" if own else retrain
