"""The run of a retraining, above those of its stages."""

import dataclasses

import pytest

from kdsharp.errors import UserError
from pipeline.params import Params, load_params
from pipeline.tracking import runs as tracking
from pipeline.tracking.evidence import NOTE
from pipeline.tracking.metrics import HEADLINE, headline, sectioned
from pipeline.tracking.store import open_store, other_experiment, runs_page
from tests.pipeline.tracking.test_runs import LINEAGE, ROOT, checkout, fresh_store, stored

__all__ = ["checkout", "fresh_store"]

SHIPPED = load_params(ROOT / "params.yaml")


def changed(**student):
    values = SHIPPED.model_dump()
    values["student"] |= student
    return Params.model_validate(values)


def lineage(number, data="d"):
    return dataclasses.replace(LINEAGE, data_hash=data * 32, retraining=f"{number:012}")


def run(stage, retraining, params, **tags):
    with tracking.start(stage, retraining, params=params, tags=tags) as made:
        pass
    return stored(made.run_id)


def parent_of(found):
    return stored(found.data.tags["mlflow.parentRunId"])


def test_stages_of_one_retraining_lie_below_its_run(checkout):
    found = [run(stage, lineage(1), SHIPPED) for stage in ("teacher", "student", "evaluate")]
    (parent,) = {each.data.tags["mlflow.parentRunId"] for each in found}
    whole = stored(parent)
    assert whole.data.tags["kdsharp.stage"] == "retraining"
    assert whole.data.params["student.channels"] == "32"
    assert whole.info.status == "FINISHED"
    names = [each.info.run_name for each in (whole, *found)]
    assert names == [
        "small-x2: first",
        "teacher resnet18: first",
        "student small-x2: first",
        "evaluate small-x2: first",
    ]
    other = run("student", lineage(2), SHIPPED)
    assert other.data.tags["mlflow.parentRunId"] != parent


def test_names_say_what_is_new(checkout):
    run("student", lineage(1), SHIPPED)
    said = {}
    for number, (params, data) in enumerate(
        [
            (SHIPPED, "d"),
            (changed(channels=16), "d"),
            (changed(channels=16), "e"),
            (changed(channels=24, convs=5, truth_weight=1.0), "f"),
        ],
        start=2,
    ):
        said[number] = run("student", lineage(number, data), params).info.run_name
    assert list(said.values()) == [
        "student small-x2: other code",
        "student nano-x2: student.channels=16",
        "student nano-x2: other photos",
        "student c24d5-x2: other photos, student.channels=24, student.convs=5, 1 more",
    ]


def test_a_run_is_described_with_links(checkout):
    (checkout / "data/raw").mkdir(parents=True)
    table = "name,split,sha256,source\na,train,1,sample\nb,test,2,sample\n"
    (checkout / "data/raw/manifest.csv").write_text(table)
    tags = {"kdsharp.teacher_run": "t" * 32, "kdsharp.teacher_sha256": "5" * 64}
    found = run("evaluate", lineage(1), SHIPPED, **tags)
    note = found.data.tags[NOTE]
    experiment = found.info.experiment_id
    for other in ("t" * 32, found.data.tags["mlflow.parentRunId"]):
        assert f"(#/experiments/{experiment}/runs/{other})" in note
    assert f"/runs/{found.info.run_id}/artifacts/report.html)" in note
    assert "`" + "5" * 12 + "`" in note
    (photos,) = found.inputs.dataset_inputs
    assert (photos.dataset.name, photos.dataset.digest) == ("sample", "d" * 12)
    assert '"train": 1' in photos.dataset.profile
    assert photos.tags[0].value == "evaluation"


def test_a_failed_stage_fails_its_retraining_until_it_is_run_again(checkout):
    with (
        pytest.raises(UserError),
        tracking.start("teacher", lineage(1), params=SHIPPED) as made,
    ):
        raise UserError("no")
    parent = parent_of(stored(made.run_id))
    assert parent.info.status == "FAILED"
    assert parent_of(run("teacher", lineage(1), SHIPPED)).info.status == "FINISHED"


def test_system_metrics_are_those_of_mlflow(checkout, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    with tracking.start("teacher", lineage(1)) as made:
        for _ in range(100):
            names = stored(made.run_id).data.metrics
            if "system/cpu_utilization_percentage" in names:
                break
            made._monitor._monitor._shutdown_event.wait(0.1)
    assert "system/cpu_utilization_percentage" in names
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")
    with tracking.start("teacher", lineage(2)) as made:
        assert made._monitor._monitor is None


def test_the_headline_is_on_the_retraining_too(checkout):
    rows = {"input": 30.0, "teacher": 33.0, "student": 32.5, "student_onnx": 32.5}
    results = {"test": {name: {"psnr_y": psnr} for name, psnr in rows.items()}}
    assert headline(results) == {
        "student_gain_db": 2.5,
        "student_psnr_y": 32.5,
        "teacher_gain_db": 3.0,
    }
    results["test"]["student_int8"] = {"psnr_y": 32.45}
    results["held_out"] = {"student": {"psnr_y": 30.0, "gap_percent": 8.0}}
    assert set(headline(results)) == set(HEADLINE)
    with tracking.start("evaluate", lineage(1), params=SHIPPED) as made:
        made.headline(headline(results))
    found = stored(made.run_id)
    for each in (found, parent_of(found)):
        assert each.data.metrics["int8_loss_db"] == 0.05


def test_methods_share_a_section_of_charts():
    assert sectioned("test.student.psnr_y") == "test/psnr_y/student"
    assert sectioned("held_out/a.b.student.ssim_y") == "held_out/a.b/ssim_y/student"


def test_the_list_of_runs_has_its_columns(checkout):
    client, experiment = open_store()
    tags = client.get_experiment(experiment).tags
    assert all(f"metrics.`{name}`" in tags["mlflow.sharedViewState.kdsharp"] for name in HEADLINE)
    client.set_experiment_tag(experiment, "mlflow.sharedViewState.kdsharp", "old")
    open_store()
    assert client.get_experiment(experiment).tags == tags
    gate = other_experiment(client, "kdsharp gate", experiment)
    assert gate == other_experiment(client, "kdsharp gate", experiment) != experiment
    client.delete_experiment(gate)
    assert other_experiment(client, "kdsharp gate", experiment) == gate
    assert runs_page("http://127.0.0.1:9") == "http://127.0.0.1:9"
