"""Versions of teacher and student in MLflow's registry, made from the files that DVC holds."""
