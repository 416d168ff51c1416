"""Tests of the plugin `vault`."""
