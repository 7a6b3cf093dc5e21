import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests run side by side, and these networks are too small to share out."""
    torch.set_num_threads(1)
