"""Tests of the plugin `http`."""
