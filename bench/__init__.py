"""The benchmark: `make bench`, or `python -m bench --help`. It writes docs/benchmarks.md, which says how."""
