"""Playbooks, modules and inventories of Ansible for Rota."""

from __future__ import annotations

__version__ = "0.1.0"
