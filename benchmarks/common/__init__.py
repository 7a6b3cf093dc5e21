"""What several benchmarks share: photos, peers, timing, training for a given time."""
