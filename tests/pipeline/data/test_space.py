import shutil
from collections import namedtuple

import pytest

from kdsharp.errors import UserError
from pipeline.data.space import require_space

usage = namedtuple("usage", "total used free")


@pytest.mark.parametrize(("free", "enough"), [(30, True), (29, False)])
def test_folders_on_one_disk_share_its_room(tmp_path, monkeypatch, free, enough):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 100 - free, free))
    needs = [(tmp_path / "not" / "there", 10), (tmp_path, 20)]
    if enough:
        require_space(needs)
    else:
        with pytest.raises(UserError, match="30 bytes needed, 29 bytes free: free some space"):
            require_space(needs)
