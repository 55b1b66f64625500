"""Simulated motion and movies: for training, tests, samples and benchmarks."""
