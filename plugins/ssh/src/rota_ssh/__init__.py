"""Task types and triggers `ssh.*` for Rota."""
