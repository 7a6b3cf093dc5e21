"""What earlier versions wrote is read, or refused with the command that migrates it.

`tests/data/old` holds real ones: published model folders of card formats 2 to 4, as git had them;
one of format 1, and one with a mixture of format 5, which nothing was published in, whose cards the
code of that time wrote; and a gate set that was cut by version 0.1.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kdsharp import Sharpener
from kdsharp.errors import UserError
from kdsharp.runtime.card import CARD, FORMAT, read_card
from pipeline.params import load_params
from pipeline.params_file import migrate_params
from pipeline.release.gate.crops import load_gate_set, made_with
from pipeline.release.promotion.whole import require_whole
from pipeline.tracking.store import open_store

OLD = Path(__file__).parents[1] / "data" / "old"
PARAMS = Path(__file__).parents[1] / "pipeline" / "kept" / "params-0.1.yaml"
# A format, and what its cards had that those before had not.
FORMATS = {1: set(), 2: {"int8"}, 3: {"gate"}, 4: {"upscaler", "upscaler_int8"}, 5: {"mixture"}}


@pytest.mark.parametrize("version", FORMATS)
def test_a_model_folder_of_each_format_is_read_and_sharpens(version):
    folder = OLD / f"model-{version}"
    raw = json.loads((folder / CARD).read_text(encoding="utf-8"))
    assert raw["format"] == version
    for known, keys in FORMATS.items():
        assert all((key in raw) == (known <= version) for key in keys)
    card = require_whole(folder)
    assert card == read_card(folder)
    assert card.format == FORMAT
    rows, columns = np.mgrid[0:40, 0:48]
    picture = (127 + 90 * np.sin(rows / 3) * np.cos(columns / 4)).astype(np.uint8)
    picture = np.stack([picture] * 3, axis=2)
    sharp = Sharpener(folder).array(picture)
    assert sharp.shape == picture.shape
    assert (sharp != picture).any()


def test_every_format_before_that_of_today_is_kept():
    # Raising FORMAT asks for a folder of the format that has just become an old one; 6 is today's.
    assert list(FORMATS) == list(range(1, FORMAT))
    assert sum(path.stat().st_size for path in OLD.rglob("*") if path.is_file()) < 300_000


def test_a_card_of_the_future_is_refused_with_the_remedy(tmp_path):
    folder = shutil.copytree(OLD / "model-2", tmp_path / "model")
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    (folder / CARD).write_text(json.dumps({**card, "format": FORMAT + 1}), encoding="utf-8")
    with pytest.raises(UserError, match="was made by a newer kdsharp: update it"):
        read_card(folder)


def test_old_params_are_refused_with_the_command_and_then_read(tmp_path):
    path = Path(shutil.copy(PARAMS, tmp_path / "params.yaml"))
    with pytest.raises(UserError, match="python -m pipeline migrate renames all old keys") as told:
        load_params(path)
    assert "\n" not in str(told.value)
    migrate_params(path)
    assert load_params(path).gate.version == 1


def test_an_old_gate_set_is_read_and_stays_what_it_is(tmp_path):
    gate_set = load_gate_set(OLD / "gate")
    assert len(gate_set.low_NHWC) == 4
    assert (gate_set.degradation, gate_set.scale, gate_set.source) == ("bicubic", 2, "")
    path = Path(shutil.copy(PARAMS, tmp_path / "params.yaml"))
    migrate_params(path)
    params = load_params(path)
    same = params.gate.model_copy(update={"folder": None, "crops": 4, "size": 32, "seed": 0})
    # Else the stage would cut another set, and old decisions could not be compared with new ones.
    assert made_with(same, params.degradation) == gate_set.made


def older_store(uri):
    """A database as an MLflow before the installed one left it: without the last migration."""
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import NullPool, create_engine

    config = _get_alembic_config(uri)
    scripts = ScriptDirectory.from_config(config)
    before = scripts.get_revision(scripts.get_current_head()).down_revision
    engine = create_engine(uri, poolclass=NullPool)
    Base.metadata.create_all(engine)
    command.upgrade(config, before)
    engine.dispose()


@pytest.mark.integration
def test_an_older_store_is_read_where_only_tables_are_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns").mkdir()
    older_store(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    client, experiment = open_store()
    assert client.get_experiment(experiment).name == "kdsharp"


def test_any_other_older_store_is_refused_with_the_command(tmp_path, monkeypatch):
    from mlflow.exceptions import MlflowException

    def refuse(*_):
        # As mlflow.store.db.utils says it of a database whose last migration it has not seen.
        raise MlflowException("Detected out-of-date database schema (found version a, but ...")

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns").mkdir()
    monkeypatch.setattr("mlflow.MlflowClient", refuse)
    with pytest.raises(UserError) as told:
        open_store()
    assert str(told.value) == (
        "mlruns/mlflow.db: was written by an older MLflow: make a backup, then "
        "mlflow db upgrade sqlite:///mlruns/mlflow.db"
    )
