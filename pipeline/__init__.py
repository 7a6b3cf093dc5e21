"""The MLOps side of kdsharp: DVC stages, MLflow tracking, Prefect flows."""

from kdsharp.moved import announce
from pipeline.moved import MOVED

announce(MOVED)
