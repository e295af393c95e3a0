"""Measurements that docs/benchmarks.md quotes; each script writes its own table there."""
