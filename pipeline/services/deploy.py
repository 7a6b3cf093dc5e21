"""`python -m pipeline.services.deploy`: tell Prefect's server about this checkout's deployments."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsharp.errors import KdsharpError, UserError, run
from pipeline.services.notices import install_notices
from pipeline.services.prefect_server import POOL

if TYPE_CHECKING:
    from prefect import State

__all__ = ["bury", "deploy", "require_ours"]


def deploy() -> None:
    """Make the work pool, notices, and the deployments as prefect.yaml describes them now."""
    from prefect import get_client
    from prefect.cli import app
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    # Runs begin in this checkout, wherever the worker was started.
    template["variables"]["properties"]["working_dir"]["default"] = str(Path.cwd())
    pool = WorkPoolCreate(name=POOL, type="process", base_job_template=template)
    with get_client(sync_client=True) as client:
        client.create_work_pool(pool, overwrite=True)
        install_notices(client)
    sys.argv = ["prefect", "--no-prompt", "deploy", "--all"]
    try:
        app()
    except SystemExit as ended:
        if ended.code:
            raise KdsharpError("prefect.yaml: Prefect refused it, see above") from None


def require_ours() -> None:
    """Raise `UserError` where the worker of another checkout serves the work pool.

    A pool has one folder for its runs: two checkouts would take it from each other.
    """
    from prefect import get_client
    from prefect.client.schemas.objects import WorkPoolStatus
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as client:
            pool = client.read_work_pool(POOL)
    except ObjectNotFound:
        return
    properties = pool.base_job_template.get("variables", {}).get("properties", {})
    folder = properties.get("working_dir", {}).get("default")
    if folder in {None, str(Path.cwd())} or pool.status != WorkPoolStatus.READY:
        return
    raise UserError(
        f"Prefect's work pool {POOL} is served in {folder}: make down there first, or let "
        "PREFECT_API_URL name another server"
    )


def bury() -> None:
    """End the runs that went down with their worker, also those waiting for a person.

    Prefect would show them as running for ever. Only while no worker runs.
    """
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
    from prefect.states import Crashed

    begun = {"state": {"type": {"any_": ["PENDING", "RUNNING", "PAUSED", "CANCELLING"]}}}
    ours = WorkPoolFilter.model_validate({"name": {"any_": [POOL]}})
    ended: State[Any] = Crashed(message="Its worker was stopped.")
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter.model_validate(begun), work_pool_filter=ours
        )
        if runs:
            inner = begun | {"parent_flow_run_id": {"any_": [run.id for run in runs]}}
            runs += client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(inner))
        for flow_run in runs:
            client.set_flow_run_state(flow_run.id, ended, force=True)


def _main() -> None:
    require_ours()
    if "--bury" in sys.argv:
        bury()
    deploy()


if __name__ == "__main__":
    sys.exit(run(_main, program="pipeline"))
