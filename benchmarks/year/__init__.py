"""A simulated year of production: what it gains with and without retraining from alarms."""
