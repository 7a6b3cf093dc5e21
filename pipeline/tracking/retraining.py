"""The run of a retraining, above those of its stages: what is new in it, and how it came out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kdsharp.train.config import student_name
from pipeline.params import Params
from pipeline.tracking.evidence import log_photos
from pipeline.tracking.lineage import Lineage

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["CHANGE", "STAGE", "flat_params", "model_of", "open_parent", "what_is_new"]

STAGE = "retraining"
"""Its tag `kdsharp.stage`."""

CHANGE = "kdsharp.change"
"""Its tag that says what differs from the retraining before."""

_NAMED, _AT_ONCE = 2, 100


def open_parent(
    client: "MlflowClient", experiment: str, lineage: Lineage, params: Params | None
) -> "Run":
    """The run of this retraining, running: made by the first of its stages."""
    known = _find(client, experiment, f" and tags.`kdsharp.retraining` = '{lineage.retraining}'")
    if known is not None:
        client.update_run(known.info.run_id, status="RUNNING")
        return known
    values = flat_params(params) if params else {}
    change = what_is_new(_find(client, experiment), lineage, values)
    name = f"{model_of(params)}: {change}" if params else lineage.retraining
    tags = {
        **lineage.tags(),
        "kdsharp.stage": STAGE,
        CHANGE: change,
        "mlflow.source.name": "pipeline retrain",
        "mlflow.source.git.commit": lineage.git_commit or "",
    }
    made = client.create_run(experiment, tags=tags, run_name=name)
    _log_params(client, made.info.run_id, values)
    log_photos(client, made.info.run_id, lineage, STAGE)
    return made


def what_is_new(before: "Run | None", lineage: Lineage, values: Mapping[str, str]) -> str:
    """In a few words, what differs from the retraining `before`; `values` are ours, flat."""
    if before is None:
        return "first"
    said = []
    if before.data.tags.get("kdsharp.data_hash") != lineage.data_hash:
        said.append("other photos")
    known = before.data.params
    # A key that one of them lacks came with another version of the code.
    changed = [key for key in values if key in known and known[key] != values[key]]
    said += [f"{key}={values[key]}" for key in changed[:_NAMED]]
    if len(changed) > _NAMED:
        said.append(f"{len(changed) - _NAMED} more")
    return ", ".join(said) or "other code"


def flat_params(params: Params) -> dict[str, str]:
    """What makes a model, each value by its dotted key."""
    from pipeline.tracking.runs import flat

    values = params.model_dump(mode="json", exclude={"gate", "promotion"})
    return {key: str(value)[:500] for key, value in flat(values)}


def model_of(params: Params) -> str:
    """Which student the parameters make, such as `small-x2`."""
    made = params.degradation
    return student_name(params.student, made.scale, made.name)


def _find(client: "MlflowClient", experiment: str, more: str = "") -> "Run | None":
    """The last such run that was begun."""
    found: Sequence[Any] = client.search_runs(
        [experiment],
        f"tags.`kdsharp.stage` = '{STAGE}'{more}",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    return found[0] if found else None


def _log_params(client: "MlflowClient", run_id: str, values: Mapping[str, str]) -> None:
    from mlflow.entities import Param

    entries = [Param(key, value) for key, value in values.items()]
    for first in range(0, len(entries), _AT_ONCE):
        client.log_batch(run_id, params=entries[first : first + _AT_ONCE])
