"""Gives the tests of the core and of every plugin the servers of the lab, and hypothesis its profile."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ["tests.lab.fixtures"]

# The machine may be slow: no deadline. In CI the examples are always the same ones.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
