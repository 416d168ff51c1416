"""Tests of the plugin, against the lab's MongoDB servers."""
