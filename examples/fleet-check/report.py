"""Turns the rows of the fleet into a table for people and a JSON file for programs."""

import json
import os
from pathlib import Path

COLUMNS = {"key": 9, "role": 10, "state": 8, "duration": 8, "bytes": 7, "error": 0}

given = json.loads(Path(os.environ["ROTA_INPUT"]).read_text())
rows = given["rows"]
failed = [row for row in rows if row["state"] != "success"]


def line(values):
    """Return one line of the table."""
    return "  ".join(f"{'' if value is None else value!s:{width}}" for value, width in values).rstrip()


header = line([("cluster" if name == "key" else name, width) for name, width in COLUMNS.items()])
table = [line([(row.get(name), width) for name, width in COLUMNS.items()]) for row in rows]
summary = f"{len(rows)} clusters, {len(failed)} without success: the fleet ended in `{given['state']}`"

Path("report.txt").write_text("\n".join([header, *table, summary]) + "\n")
Path("report.json").write_text(json.dumps({"state": given["state"], "rows": rows}, indent=2) + "\n")

print(header)
for row, text in zip(rows, table, strict=True):
    if row in failed:
        print(text)
print(summary)
