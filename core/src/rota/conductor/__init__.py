"""The local executor: one thread owns the frames, workers run the tasks, rows keep all of it."""
