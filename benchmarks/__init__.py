"""Benchmarks: ours and the alternative side by side, one script per part."""
