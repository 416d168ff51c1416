"""Tests of the launcher: each command's use and misuse, over a real home."""
