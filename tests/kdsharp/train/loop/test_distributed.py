import pytest
import torch

from kdsharp.train.loop.distributed import pin_threads


@pytest.fixture(autouse=True)
def as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_processes_of_a_machine_share_the_threads(monkeypatch):
    assert pin_threads(4) == torch.get_num_threads() == 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert pin_threads(4) == 2
    assert pin_threads(1) == 1


def test_none_are_left_to_torch():
    torch.set_num_threads(3)
    assert pin_threads(0) == 3
