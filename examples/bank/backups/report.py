"""Makes one report of all clusters: JSON, CSV and a page, and the writes for the dashboard."""

import csv
import json
import os
from pathlib import Path

from page import page

COLUMNS = ("key", "team", "state", "duration", "bytes", "sha256", "uri", "kept", "pruned", "error")


def dashboard(row, at):
    """Return the write that keeps how the last backup of a cluster went, and which was the last good one."""
    fields = {"at": at, "state": row["state"], "error": row["error"], "team": row["team"]}
    if row["state"] == "success":
        fields["last_success"] = {"at": at} | {name: row[name] for name in ("uri", "bytes", "sha256")}
    return {"update_one": {"filter": {"_id": row["key"]}, "update": {"$set": fields}, "upsert": True}}


given = json.loads(Path(os.environ["ROTA_INPUT"]).read_text())
rows = given["rows"]
failed = [row for row in rows if row["state"] != "success"]
size = sum(row["bytes"] or 0 for row in rows)
subject = f"backups of {given['at'][:10]}: {len(rows) - len(failed)} of {len(rows)} clusters, {size} bytes"
if failed:
    subject += f"; without: {', '.join(row['key'] for row in failed)}"

summary = {"at": given["at"], "execution": given["execution"], "state": given["state"], "subject": subject}
Path("report.json").write_text(json.dumps(summary | {"clusters": rows}, indent=2) + "\n")
Path("report.html").write_text(page(subject, rows), encoding="utf-8")
with Path("report.csv").open("w", newline="") as file:
    table = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)

operations = [dashboard(row, {"$date": given["at"]}) for row in rows if row["state"] != "not_started"]
output = {"subject": subject, "failed": [row["key"] for row in failed], "operations": operations}
Path(os.environ["ROTA_OUTPUT"]).write_text(json.dumps(output))
print(subject)
for row in failed:
    print(f"  {row['key']}: {row['state']}: {row['error']}")
