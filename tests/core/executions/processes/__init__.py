"""Tests of child programs, with real ones."""
