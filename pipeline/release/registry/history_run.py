"""The run in MLflow that a registered model's history is: found, made, and brought back."""

from typing import TYPE_CHECKING

from pipeline.release.registry.versions import Registry

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["EXPERIMENT", "TAG", "about", "find_run_id", "make_run", "read_run", "restore_run"]

EXPERIMENT = "kdsharp history"
"""MLflow's experiment that new histories go to; older ones lie among the trainings."""

TAG = "kdsharp.history"
"""The tag of a registered model with the id of that run."""


def find_run_id(registry: Registry, name: str) -> str | None:
    """The run that is the history of `name`, made where it has none; None: not registered."""
    from mlflow.exceptions import MlflowException

    try:
        model = registry.client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    run_id: str | None = model.tags.get(TAG)
    if not run_id:  # made by hand, in MLflow's pages
        run_id = make_run(registry, name)
        registry.client.set_registered_model_tag(name, TAG, run_id)
    return run_id


def read_run(registry: Registry, run_id: str) -> "Run | None":
    """Deleted or not; None where the store has none."""
    from mlflow.exceptions import MlflowException

    try:
        return registry.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def restore_run(registry: Registry, run: "Run") -> None:
    """Bring back a deleted run, and its experiment."""
    _experiment(registry, run.info.experiment_id)
    registry.client.restore_run(run.info.run_id)


def make_run(registry: Registry, name: str) -> str:
    """A new and empty one; returns its id."""
    run = registry.client.create_run(
        _experiment(registry),
        tags={"kdsharp.stage": "history", "kdsharp.model": name},
        run_name=f"history of {name}",
    )
    run_id = str(run.info.run_id)
    registry.client.set_terminated(run_id, "FINISHED")
    return run_id


def _experiment(registry: Registry, number: str | None = None) -> str:
    """The id of `EXPERIMENT`, or `number`: made or restored where somebody deleted it.

    Trainings are cleaned up now and then; what is in an experiment of its own is not among them.
    """
    from mlflow.exceptions import MlflowException

    client = registry.client
    by_name = client.get_experiment_by_name
    found = client.get_experiment(number) if number else by_name(EXPERIMENT)
    if found is None:
        place = client.get_experiment(registry.experiment).artifact_location
        try:
            return str(client.create_experiment(EXPERIMENT, place))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = by_name(EXPERIMENT)
    assert found is not None
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def about(name: str) -> str:
    """What MLflow's page of the registered model says."""
    return (
        f"Versions of `{name}`. The alias `production` is in use, `previous` is what a rollback "
        "brings back, `candidate` is next. Change them with `python -m pipeline promote` and "
        f"`rollback`; the run `history of {name}` says who did, when and why."
    )
