"""Secret backends and task types `vault.*` for Rota."""
