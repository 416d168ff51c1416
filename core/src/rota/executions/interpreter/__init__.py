"""The interpreter: what comes next in a flow, decided without a clock, I/O, randomness or rendering."""
