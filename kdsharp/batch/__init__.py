"""Many files at once: which, and where to (`plan`), each (`work`), all (`run`), and a `report`."""
