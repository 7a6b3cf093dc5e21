"""The report of an evaluation: pictures side by side and one page that holds everything."""

__all__: list[str] = []
