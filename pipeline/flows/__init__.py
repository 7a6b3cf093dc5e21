"""Prefect flows: what runs on a schedule, or with retries, logs and artifacts."""

__all__: list[str] = []
