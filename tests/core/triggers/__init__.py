"""Tests of what starts flows."""
