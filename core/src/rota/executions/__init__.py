"""Executions: their states and messages, the interpreter that decides, the worker that does."""
