from pathlib import Path

import pytest
from dvc.repo import Repo

from kdsharp.errors import UserError
from pipeline.workspace.dag import configure_remote

ADDRESS = "s3://bucket/dvc"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.delenv("KDSHARP_DVC_REMOTE", raising=False)
    Repo.init(str(tmp_path), no_scm=True).close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def local():
    return Path(".dvc/config.local")


def test_without_the_variable_nothing_changes(checkout, monkeypatch):
    assert configure_remote() is None
    monkeypatch.setenv("KDSHARP_DVC_REMOTE", "")
    assert configure_remote() is None
    assert not local().exists()


def test_it_becomes_the_default_and_is_written_once(checkout, monkeypatch):
    local().write_text("[core]\n    no_scm = true\n")
    monkeypatch.setenv("KDSHARP_DVC_REMOTE", ADDRESS)
    assert configure_remote() == ADDRESS
    with Repo() as repo:
        assert repo.config["core"]["remote"] == "kdsharp"
        assert repo.config["core"]["no_scm"] is True
        assert repo.config["remote"]["kdsharp"]["url"] == ADDRESS
    before = local().stat().st_mtime_ns
    assert configure_remote() == ADDRESS
    assert local().stat().st_mtime_ns == before
    monkeypatch.setenv("KDSHARP_DVC_REMOTE", "s3://other/dvc")
    configure_remote()
    with Repo() as repo:
        assert list(repo.config["remote"]) == ["kdsharp"]
        assert repo.config["remote"]["kdsharp"]["url"] == "s3://other/dvc"


def test_a_folder_is_meant_from_here(checkout, tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    monkeypatch.setenv("KDSHARP_DVC_REMOTE", "store")
    assert configure_remote() == str(tmp_path / "below/store")
    with Repo() as repo:
        assert Path(repo.config["remote"]["kdsharp"]["url"]) == tmp_path / "below/store"


@pytest.mark.parametrize(("address", "where"), [(ADDRESS, ".."), ("nonsense://x", ".")])
def test_a_mistake_is_one_line(checkout, tmp_path, monkeypatch, address, where):
    monkeypatch.chdir(where)
    monkeypatch.setenv("KDSHARP_DVC_REMOTE", address)
    with pytest.raises(UserError, match=r"^KDSHARP_DVC_REMOTE: "):
        configure_remote()
    assert not local().exists()
