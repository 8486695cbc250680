"""Benchmarks: figures against goals, each timing a ratio of two things measured in the same run."""
