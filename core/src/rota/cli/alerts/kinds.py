"""What alerts are about: the kinds that commands take, known without loading the language."""

from __future__ import annotations

KINDS = ("execution", "sla", "schedule", "trigger", "secret", "server", "disk", "sink")


def tries(count: int) -> str:
    """Return how often something was tried, in words."""
    return f"{count} {'try' if count == 1 else 'tries'}"
