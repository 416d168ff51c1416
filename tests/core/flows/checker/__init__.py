"""Tests of `rota check`."""
