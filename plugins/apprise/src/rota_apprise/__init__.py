"""Alert sinks `apprise.*` for Rota."""
