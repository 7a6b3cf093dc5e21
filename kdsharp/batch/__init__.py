"""Many photos: which and where to (`plan`), one (`photos`), all (`run`), and a `table`."""
