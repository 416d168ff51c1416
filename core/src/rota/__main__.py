"""Runs the launcher as `python -m rota`."""

from __future__ import annotations

from rota.cli import main

if __name__ == "__main__":
    main()
