"""Flows end to end: on real servers, as a person would run them."""
