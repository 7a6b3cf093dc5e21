"""Evidence in MLflow: its store, runs, and what a model comes from."""

from kdsharp.moved import moved_to

__getattr__ = moved_to(
    __name__, "runs", "TrackedRun", "attach", "find_run", "flat", "log_model", "reason", "start"
)
