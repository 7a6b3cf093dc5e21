"""Two pictures in one: a sheet, a split, or an animation."""
