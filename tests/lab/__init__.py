"""Real servers for the tests, each a process of its own on a free loopback port.

Every server is a class with `start(...)`, is a context manager, and ends with the process that started it, also when
that one is killed. `python -m tests.lab up` starts a small bank of them for a person to play with.
"""
