"""Evidence: what a stage did, as an MLflow run. Never a reason to lose a training."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from kdsharp.errors import describe
from pipeline.params import Params
from pipeline.tracking.evidence import NOTE, Monitor, describe_run, log_photos
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.retraining import CHANGE, model_of, open_parent
from pipeline.tracking.store import open_store, shown_uri, store_uri

if TYPE_CHECKING:
    import numpy as np
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import Model

__all__ = ["TrackedRun", "attach", "find_run", "flat", "log_model", "reason", "start"]

_log = logging.getLogger(__name__)

# MLflow refuses longer ones, and more at once.
_LONGEST_PARAM, _LONGEST_TAG, _MOST_PARAMS, _MOST_METRICS = 6000, 8000, 100, 1000
_REFUSED = "INVALID_PARAMETER_VALUE"


class TrackedRun:
    """One MLflow run; every call does nothing once the store cannot be reached.

    As a context manager it ends the run: FINISHED, FAILED with the error's line in the tag
    `kdsharp.error`, or KILLED by Ctrl-C.
    """

    def __init__(self) -> None:
        self.run_id: str | None = None
        """MLflow's id; None when nothing is recorded."""
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._parent: str | None = None
        self._monitor: Monitor | None = None
        self._began = time.monotonic()

    def params(self, values: Mapping[str, Any]) -> None:
        """Record parameters; nested names are joined with dots, long values are cut."""
        from mlflow.entities import Param

        entries = [Param(key, str(value)[:_LONGEST_PARAM]) for key, value in flat(values)]
        self._batches("params", entries, _MOST_PARAMS)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers in one batch; `step` is the epoch, or None without one."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        entries = [Metric(key, float(value), now, step or 0) for key, value in values.items()]
        self._batches("metrics", entries, _MOST_METRICS)

    def headline(self, values: Mapping[str, float]) -> None:
        """Record the numbers that the run is known by, and the retraining that it is part of."""
        from mlflow.entities import Metric

        self.metrics(values)
        now = int(time.time() * 1000)
        entries = [Metric(key, float(value), now, 0) for key, value in values.items()]
        if parent := self._parent:
            self._send("headline", lambda client, _: client.log_batch(parent, metrics=entries))

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags; the last value of a tag stands."""
        from mlflow.entities import RunTag

        entries = [RunTag(key, str(value)[:_LONGEST_TAG]) for key, value in values.items()]
        self._batches("tags", entries, _MOST_PARAMS)

    def picture(self, path: Path, folder: str = "") -> None:
        """Keep the picture `path` among the run's artifacts, under `folder`."""
        self.file(path, folder)

    def file(self, path: Path, folder: str = "") -> None:
        """Keep the file `path` among the run's artifacts, under `folder`."""
        self._send(
            str(path),
            lambda client, run_id: client.log_artifact(run_id, str(path), folder or None),
        )

    def model_weights(self, path: Path, name: str) -> None:
        """Keep the safetensors file `path` as the MLflow model `name`."""
        from pipeline.tracking.flavors import save_weights

        self._model(name, lambda folder, meta: save_weights(path, folder, meta))

    def model_onnx(self, path: Path, name: str, example_NCHW: "np.ndarray") -> None:
        """Keep the ONNX file `path` as the MLflow model `name`."""
        from pipeline.tracking.flavors import save_onnx

        self._model(name, lambda folder, meta: save_onnx(path, folder, meta, example_NCHW))

    def _batches(self, what: str, entries: Sequence[Any], most: int) -> None:
        for first in range(0, len(entries), most):
            part = entries[first : first + most]
            self._send(what, partial(_log_batch, what=what, part=part))

    def _model(self, name: str, save: "Callable[[Path, Model], None]") -> None:
        self._send(
            f"the model {name}",
            lambda client, run_id: log_model(client, self._experiment, run_id, name, save),
        )

    def _send(self, what: str, call: "Callable[[MlflowClient, str], object]") -> None:
        """Do `call`; a refusal costs what was sent, any other failure the rest of the run."""
        if self._client is None or self.run_id is None:
            return
        try:
            call(self._client, self.run_id)
        except Exception as error:  # noqa: BLE001 - whatever MLflow raises, the training goes on
            if _is_refusal(error):
                _log.warning("MLflow did not accept %s (%s)", what, reason(error))
            else:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._client = self.run_id = None
        self._monitor = None  # whose thread ends by itself, after it has tried once more
        _log.warning(
            "MLflow at %s is not reachable (%s): training goes on, this run is not recorded",
            shown_uri(),
            reason(error),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.metrics({"duration_s": time.monotonic() - self._began})
        if error is not None:
            self.tags({"kdsharp.error": describe(error)})
        status = "FINISHED" if error_type is None else "FAILED"
        if error_type is not None and issubclass(error_type, KeyboardInterrupt):
            status = "KILLED"
        self._stop_monitor()
        for run_id in filter(None, (self.run_id, self._parent)):
            self._send("the end", partial(_end, which=run_id, status=status))

    def _stop_monitor(self) -> None:
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.stop()


def start(
    stage: str,
    lineage: Lineage,
    *,
    resume: str | None = None,
    tags: Mapping[str, str] | None = None,
    params: Params | None = None,
) -> TrackedRun:
    """Begin the run of `stage`, or go on with the run `resume` where the store knows it.

    It lies below the run of its retraining, which is made where there is none; `params` say what is
    new in it. `resume` is the id that an interrupted training kept beside its checkpoint. An
    unreachable store is one warning line; the run then records nothing.
    """
    run = TrackedRun()
    all_tags = {
        "kdsharp.stage": stage,
        "mlflow.source.name": f"pipeline.stages.{stage}",
        "mlflow.source.git.commit": lineage.git_commit or "",
        **lineage.tags(),
        **(tags or {}),
    }
    try:
        client, run._experiment = open_store()
        parent = open_parent(client, run._experiment, lineage, params)
        run._parent = str(parent.info.run_id)
        run.run_id = _reopen(client, run._experiment, resume)
        if run.run_id is None:
            all_tags["mlflow.parentRunId"] = run._parent
            name = _name(stage, params, parent.data.tags.get(CHANGE, ""))
            run.run_id = client.create_run(
                run._experiment, tags=all_tags, run_name=name
            ).info.run_id
            log_photos(client, run.run_id, lineage, stage)
        told = describe_run(run._experiment, run.run_id, run._parent, lineage, all_tags)
        client.set_tag(run.run_id, NOTE, told)
        run._client = client
        run._monitor = Monitor(run.run_id, store_uri())
    except Exception as error:  # noqa: BLE001 - whatever MLflow raises, the training goes on
        run._give_up(error)
    return run


def _name(stage: str, params: Params | None, change: str) -> str:
    """`student small-x2: student.channels=16`, so that runs can be told apart in a list."""
    if params is None:
        return stage
    made = params.teacher.arch if stage == "teacher" else model_of(params)
    return f"{stage} {made}: {change}" if change else f"{stage} {made}"


def _end(client: "MlflowClient", _: str, *, which: str, status: str) -> None:
    client.set_terminated(which, status)


def log_model(
    client: "MlflowClient",
    experiment: str,
    run_id: str,
    name: str,
    save: "Callable[[Path, Model], None]",
) -> "LoggedModel":
    """What `mlflow.*.log_model` does, without its global run and its trial inference.

    `save(folder, meta)` writes the model into `folder`. Raises whatever MLflow raises.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    logged = client.create_logged_model(experiment, name, run_id)
    status: Literal["READY", "FAILED"] = "FAILED"
    try:
        meta = Model(
            artifact_path=logged.artifact_location,
            run_id=run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        )
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder) / "model", meta)
            client.log_model_artifacts(logged.model_id, f"{folder}/model")
        status = "READY"
    finally:
        client.finalize_logged_model(logged.model_id, status)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return logged


def find_run(stage: str, tags: Mapping[str, str]) -> str | None:
    """The id of the latest finished run of `stage` with all of `tags`; None without one."""
    wanted = {"kdsharp.stage": stage, **tags}
    conditions = [f"tags.`{key}` = '{value}'" for key, value in wanted.items()]
    try:
        client, experiment = open_store()
        found = client.search_runs(
            [experiment],
            " and ".join(["attributes.status = 'FINISHED'", *conditions]),
            max_results=1,
            order_by=["attributes.end_time DESC"],
        )
    except Exception as error:  # noqa: BLE001 - a training is not lost over a missing name
        _log.debug("no run of %s found: %s", stage, error)
        return None
    return found[0].info.run_id if found else None


def attach(stage: str, tags: Mapping[str, str]) -> TrackedRun:
    """The run that `find_run` finds, to add to what it has; `run_id` is None without one.

    It stays finished, so do not use it as a context manager.
    """
    run, run_id = TrackedRun(), find_run(stage, tags)
    if run_id is not None:
        run._client, run._experiment = open_store()
        run.run_id = run_id
    return run


def _reopen(client: "MlflowClient", experiment: str, run_id: str | None) -> str | None:
    """`run_id`, running again; None where this store does not know it."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        known = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", _REFUSED}:
            return None
        raise
    if known.info.lifecycle_stage != "active" or known.info.experiment_id != experiment:
        return None
    client.update_run(run_id, status="RUNNING")
    if "kdsharp.error" in known.data.tags:
        client.delete_tag(run_id, "kdsharp.error")
    return run_id


def _log_batch(client: "MlflowClient", run_id: str, *, what: str, part: Sequence[Any]) -> None:
    batch: dict[str, Any] = {what: part}
    client.log_batch(run_id, **batch)


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested names joined with dots, each with its value."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _is_refusal(error: Exception) -> bool:
    """Whether the store answered and only refused what it got, or the fault is on our side."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return bool(error.error_code == _REFUSED)
    return not isinstance(error, OSError) or isinstance(error, FileNotFoundError)


def reason(error: BaseException | None) -> str:
    """One short line; the innermost error says best what is wrong."""
    text, inner = "", error
    while inner is not None:
        said = " ".join(str(inner).split())
        if said not in ("", "()"):
            text = said
        inner = inner.__cause__ or inner.__context__
    text = text or type(error).__name__
    return text if len(text) <= 160 else f"{text[:159]}…"
