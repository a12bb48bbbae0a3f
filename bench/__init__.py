"""The benchmark: `make bench`, or `python -m bench --help`. What it measures and how: docs/benchmarks.md, which it writes."""
