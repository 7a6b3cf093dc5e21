"""Models in MLflow's own folder form, with signature, example and requirements."""

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from mlflow.models import Model, ModelSignature

__all__ = ["save_nothing", "save_onnx", "save_torch"]


def save_torch(
    module: "torch.nn.Module", folder: Path, model: "Model", example_NCHW: np.ndarray
) -> None:
    """Write `module` as an exported graph (pt2: no pickle), any batch, height and width.

    `example_NCHW` is float32; the module is left in the mode it was in.
    """
    import mlflow.pytorch

    example_NCHW = _two(example_NCHW)
    training = module.training
    module.eval()
    try:
        with warnings.catch_warnings():
            # torch says it of weights that are views of one another; ours lie on the CPU.
            warnings.filterwarnings("ignore", "No complete tensor found")
            mlflow.pytorch.save_model(
                module,
                folder,
                mlflow_model=model,
                signature=_signature(example_NCHW),
                input_example=example_NCHW,
                pip_requirements=_requirements("torch"),
                serialization_format="pt2",
            )
    finally:
        module.train(training)


def save_onnx(path: Path, folder: Path, model: "Model", example_NCHW: np.ndarray) -> None:
    """Write the ONNX file `path` as a model that ONNX Runtime serves on the CPU."""
    import mlflow.onnx
    import onnx

    mlflow.onnx.save_model(
        onnx.load(path),
        folder,
        mlflow_model=model,
        signature=_signature(example_NCHW),
        input_example=_two(example_NCHW),
        pip_requirements=_requirements("onnx", "onnxruntime"),
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )


def save_nothing(folder: Path, model: "Model") -> None:
    """A model without a form of MLflow's own, for files that are put beside it."""
    from mlflow.models.model import MLMODEL_FILE_NAME

    folder.mkdir()
    model.save(folder / MLMODEL_FILE_NAME)


def _two(example_NCHW: Any) -> np.ndarray:
    """At least two pictures: from a batch of one, torch.export freezes the batch to one."""
    example_NCHW = np.asarray(example_NCHW, dtype=np.float32)
    return example_NCHW if len(example_NCHW) > 1 else np.repeat(example_NCHW, 2, axis=0)


def _signature(example_NCHW: np.ndarray) -> "ModelSignature":
    """Pictures in, pictures of the same size out. Only -1 keeps height and width free."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    spec = TensorSpec(np.dtype(np.float32), (-1, example_NCHW.shape[1], -1, -1))
    return ModelSignature(inputs=Schema([spec]), outputs=Schema([spec]))


def _requirements(*packages: str) -> list[str]:
    """Pinned by hand: MLflow would start a second Python to find them out (10 s and more)."""
    return [f"{name}=={version(name)}" for name in ("mlflow", "numpy", *packages)]
