"""Tests of the repository itself: what it is made of, and who may import whom."""
