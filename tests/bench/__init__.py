"""The benchmarks: each is measured beside its floor, in the same run."""
