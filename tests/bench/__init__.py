"""Benchmarks, as ratios to the least work possible. Run with `make bench`; not part of the tests."""
