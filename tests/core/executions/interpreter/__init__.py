"""Tests of the interpreter, in a simulated world."""
