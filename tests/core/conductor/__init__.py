"""Tests of the local executor and of its reaper."""
