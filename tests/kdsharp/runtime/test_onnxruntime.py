import numpy as np
import pytest

from kdsharp.runtime import onnxruntime
from kdsharp.runtime.engine import load_engine


@pytest.mark.parametrize("provider", onnxruntime.PROVIDERS)
def test_an_accelerator_that_does_not_work_is_passed_over(luma_model, monkeypatch, provider, capfd):
    """This build of ONNX Runtime lacks it: the same answer as from a machine without the card."""
    if provider in onnxruntime.accelerators():
        pytest.skip(f"{provider} is here")
    monkeypatch.setattr(onnxruntime, "accelerators", lambda: [provider])
    engine = load_engine(luma_model, "onnxruntime")
    assert engine.device == "CPU"
    planes_NCHW = np.zeros((1, 1, 5, 5), np.float32)
    assert engine.run(planes_NCHW).shape == (1, 1, 5, 5)
    assert capfd.readouterr() == ("", "")


def test_only_what_we_know_is_an_accelerator_and_the_best_comes_first(monkeypatch):
    known = list(onnxruntime.PROVIDERS)
    built = ["AzureExecutionProvider", *reversed(known), "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: built)
    assert onnxruntime.accelerators() == known
    del built[1]
    assert onnxruntime.accelerators() == known[:-1]
