"""The tests of Rota: `core/` mirrors the source, `lab/` starts real servers."""
