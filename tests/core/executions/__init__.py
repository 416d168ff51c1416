"""Tests of what runs: the interpreter, the worker, child programs."""
