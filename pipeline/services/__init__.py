"""The standing servers of a checkout: Prefect, its worker, and MLflow."""

__all__: list[str] = []
