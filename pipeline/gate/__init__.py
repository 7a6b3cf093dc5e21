"""The gate: a frozen set of crops, both models measured on it afresh, and a decision.

Nothing here knows MLflow, Prefect or a registry: folders go in, a decision comes out.
"""
