"""How an execution is shown while it runs: a live tree, plain lines, and a summary at its end."""
