from pathlib import Path

import pytest

from kdsharp import model
from kdsharp.errors import UserError
from kdsharp.model import find_model


def test_the_named_one_comes_first_then_the_environment_then_the_one_that_ships(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(model, "_SHIPPED", tmp_path)
    (tmp_path / "card.json").touch()
    assert find_model(None) == tmp_path
    monkeypatch.setenv("KDSHARP_MODEL", "from/environment")
    assert find_model(None) == Path("from/environment")
    assert find_model(Path("named")) == Path("named")


def test_without_any_the_error_says_how_to_name_one(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "_SHIPPED", tmp_path)
    monkeypatch.setenv("KDSHARP_MODEL", "")
    with pytest.raises(UserError, match=r"--model PATH or \$KDSHARP_MODEL"):
        find_model(None)
