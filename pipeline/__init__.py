"""The MLOps side of kdsharp: DVC stages, MLflow tracking, Prefect flows."""
