"""Tests of the facade and of what is built on it."""
