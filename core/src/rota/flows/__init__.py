"""Flows: their models, how YAML becomes them, their expressions, and what is checked before a run."""
