"""Where everything lies, relative to the root of the checkout (the working directory)."""

import os
from pathlib import Path

__all__ = [
    "CHECKPOINTS",
    "CURVES",
    "DOWNLOADS",
    "EXPORT",
    "GATE",
    "MANIFEST",
    "METRICS",
    "MLRUNS",
    "PARAMS",
    "PATCHES",
    "PRODUCTION",
    "RAW",
    "REPORTS",
    "STUDENT",
    "TEACHER",
    "UNSEEN",
]

PARAMS = Path("params.yaml")
RAW = Path("data/raw")
MANIFEST = RAW / "manifest.csv"
PATCHES = Path("data/patches")
GATE = Path("data/gate")
UNSEEN = Path("data/unseen")
TEACHER = Path("models/teacher.safetensors")
STUDENT = Path("models/student.safetensors")
EXPORT = Path("models/export")
REPORTS = Path("reports")
CURVES = REPORTS / "curves"
METRICS = REPORTS / "metrics.json"
MLRUNS = Path("mlruns")

# DVC deletes a stage's outputs before it runs the stage, so what a resume needs lies elsewhere.
CHECKPOINTS = Path(os.environ.get("KDSHARP_CHECKPOINTS", ".checkpoints"))
DOWNLOADS = Path(os.environ.get("KDSHARP_DOWNLOADS", ".downloads"))

# What is in use: a worktree of its own, such as a scheduled run's, shares the checkout's.
PRODUCTION = Path(os.environ.get("KDSHARP_PRODUCTION", "models/production"))
