"""Task types and triggers `mongo.*` for Rota."""

__version__ = "0.1.0"
