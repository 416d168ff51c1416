"""Flows through the real application, on a real store: exact states, attempts and outputs."""
