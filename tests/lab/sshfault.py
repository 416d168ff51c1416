"""What can be wrong with an SSH host of the lab."""

from __future__ import annotations

import enum


class Fault(enum.StrEnum):
    """What can be wrong with a host."""

    DOWN = "down"
    """Connections are refused."""
    SILENT = "silent"
    """Connections are taken and nothing is answered."""
    WRONG_KEY = "wrong_key"
    """The host takes neither the fleet's key nor its password."""
    DISK_FULL = "disk_full"
    """Nothing over 32 KiB can be written, by commands ("File too large") or SFTP ("No space left on device")."""
