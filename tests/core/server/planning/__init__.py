"""Tests of `rota plan`."""
