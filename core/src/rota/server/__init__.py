"""The application: what the command line, services and executors use, and what `rota serve` runs."""
