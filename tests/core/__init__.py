"""Tests of the core; the folders mirror `core/src/rota`."""
