"""Gives the tests of the core and of every plugin the servers of the lab."""

pytest_plugins = ["tests.lab.fixtures"]
