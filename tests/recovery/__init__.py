"""Proves what the engine promises when processes die: random kills, named fail points, two servers, full disks."""
