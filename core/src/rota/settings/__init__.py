"""The settings: `rota.yaml` and `ROTA_*` variables, found, read and checked with their places."""

from __future__ import annotations

from rota.settings.file import check_section, class_of, find_settings, load_settings, validate_section
from rota.settings.models import (
    ArtifactSettings,
    NamespaceSettings,
    SecretSettings,
    Section,
    Settings,
    SinkLimit,
    SinkSettings,
)

__all__ = [
    "ArtifactSettings",
    "NamespaceSettings",
    "SecretSettings",
    "Section",
    "Settings",
    "SinkLimit",
    "SinkSettings",
    "check_section",
    "class_of",
    "find_settings",
    "load_settings",
    "validate_section",
]
