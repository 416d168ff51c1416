"""Compares what the clusters are with what was known of them: the changes, and the writes that record them."""

import json
import os
from pathlib import Path

LISTED = ("environment", "team", "address", "ssh_port", "host_key", "mongodb", "gigabytes")
ASKED = ("system", "version", "storage_engine", "replica_set", "members", "databases")
MEASURED = ("bytes_on_disk",)  # kept, but no change worth a report


def differences(before, after):
    """Return what is different, `name: [before, after]`, of the facts in `after`; lists count as sets."""

    def comparable(value):
        return sorted(value) if isinstance(value, list) else value

    return {
        name: [before.get(name), value]
        for name, value in after.items()
        if comparable(before.get(name)) != comparable(value)
    }


def refresh(name, fields, at, *, unset=()):
    """Return the write that makes the document of a cluster hold `fields`; the same a second time does nothing."""
    change = {"$set": fields, "$setOnInsert": {"first_seen": at}}
    if unset:
        change["$unset"] = dict.fromkeys(unset, "")
    return {"update_one": {"filter": {"_id": name}, "update": change, "upsert": True}}


def compare(clusters, facts, known, at):
    """Return the changes by kind, and the operations for the reference collection."""
    answered = {row["key"]: row for row in facts}
    before = {document["_id"]: document for document in known}
    changes = {"appeared": [], "changed": {}, "vanished": [], "unreachable": {}}
    operations = []
    for cluster in clusters:
        name, row = cluster["name"], answered[cluster["name"]]
        found = {field: cluster.get(field) for field in LISTED}
        measured = {}
        if row["state"] == "success":
            found |= {field: row[field] for field in ASKED}
            measured = {"asked": at} | {field: row[field] for field in MEASURED}
        else:
            # What was known of a cluster that does not answer stays: only the list's own facts are new.
            changes["unreachable"][name] = row["error"]
        old = before.get(name)
        if old is None or old.get("vanished"):
            changes["appeared"].append(name)
        elif different := differences(old, found):
            changes["changed"][name] = different
        state = {"reachable": row["state"] == "success", "seen": at}
        operations.append(refresh(name, found | measured | state, at, unset=["vanished"]))
    for name in sorted(before.keys() - {cluster["name"] for cluster in clusters}):
        if not before[name].get("vanished"):
            changes["vanished"].append(name)
            operations.append(refresh(name, {"vanished": at, "reachable": False}, at))
    return changes, operations


def report(changes, total):
    """Return the report for people."""
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in changes.items())
    lines = [f"{total} clusters: {counts}"]
    lines += [f"+ {name} appeared" for name in changes["appeared"]]
    lines += [f"- {name} vanished" for name in changes["vanished"]]
    for name, different in changes["changed"].items():
        lines += [f"~ {name} {field}: {old} -> {new}" for field, (old, new) in different.items()]
    lines += [f"! {name} does not answer: {error}" for name, error in changes["unreachable"].items()]
    return "\n".join(lines) + "\n"


given = json.loads(Path(os.environ["ROTA_INPUT"]).read_text())
changes, operations = compare(given["clusters"], given["facts"], given["known"], {"$date": given["at"]})
text = report(changes, len(given["clusters"]))
Path("report.txt").write_text(text)
Path("changes.json").write_text(json.dumps(changes, indent=2) + "\n")
Path(os.environ["ROTA_OUTPUT"]).write_text(json.dumps({"changes": changes, "operations": operations}))
print(text, end="")
