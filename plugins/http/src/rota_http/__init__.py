"""Task types and triggers `http.*` for Rota."""
