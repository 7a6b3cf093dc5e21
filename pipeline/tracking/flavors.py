"""Models in MLflow's own folder form: ONNX with signature, example and requirements, or weights.

MLflow's flavour for torch is not among them: each of its formats is read by unpickling, exported
graphs (pt2) included.
"""

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature

__all__ = ["save_nothing", "save_onnx", "save_weights"]


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


def save_weights(path: Path, folder: Path, model: "Model") -> None:
    """Write the safetensors file `path` as a model that this project alone can run."""
    save_nothing(folder, model)
    shutil.copyfile(path, folder / path.name)


def _two(example_NCHW: Any) -> np.ndarray:
    """At least two pictures, to show that the batch is free."""
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
