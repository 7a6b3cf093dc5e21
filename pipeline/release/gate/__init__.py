"""The gate: a frozen set of crops, both models measured on it afresh, and a decision."""
