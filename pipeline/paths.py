"""Where everything lies, relative to the root of the checkout (the working directory)."""

import os
from pathlib import Path

__all__ = [
    "CHECKPOINTS",
    "CURVES",
    "DOWNLOADS",
    "ENVIRONMENT",
    "ENVIRONMENTS",
    "ERROR_FILE",
    "EXPORT",
    "GATE",
    "HEADLINE",
    "HELD_OUT_PHOTOS",
    "MANIFEST",
    "METRICS",
    "MLRUNS",
    "NEEDS",
    "PARAMS",
    "PATCHES",
    "PRODUCTION",
    "RAW",
    "REPORTS",
    "STUDENT",
    "TEACHER",
    "printable",
]

PARAMS = Path("params.yaml")
RAW = Path("data/raw")
MANIFEST = RAW / "manifest.csv"
PATCHES = Path("data/patches")
GATE = Path("data/gate")
HELD_OUT_PHOTOS = Path("data/held_out")
NEEDS = Path("data/needs.json")
ENVIRONMENT = Path("data/environment.json")
TEACHER = Path("models/teacher.safetensors")
STUDENT = Path("models/student.safetensors")
EXPORT = Path("models/export")
REPORTS = Path("reports")
CURVES = REPORTS / "curves"
ENVIRONMENTS = REPORTS / "environment"
METRICS = REPORTS / "metrics.json"
HEADLINE = Path("metrics.json")  # in git
MLRUNS = Path("mlruns")

# DVC deletes a stage's outputs before it runs the stage, so what a resume needs lies elsewhere.
CHECKPOINTS = Path(os.environ.get("KDSHARP_CHECKPOINTS", ".checkpoints"))
DOWNLOADS = Path(os.environ.get("KDSHARP_DOWNLOADS", ".downloads"))

ERROR_FILE = "KDSHARP_ERROR_FILE"
"""The variable that names a file for a failed stage's error: DVC passes on no exit code."""

# What is in use: a worktree of its own, such as a scheduled run's, shares the checkout's.
PRODUCTION = Path(os.environ.get("KDSHARP_PRODUCTION", "models/production"))


def printable(name: str) -> str:
    """`name` on one line of valid UTF-8, whatever bytes a file system allowed in it."""
    escaped = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)
