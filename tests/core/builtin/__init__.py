"""Tests of `rota.builtin`."""
