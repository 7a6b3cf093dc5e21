"""What `benchmarks/front.py` is made of, one thing a module."""
