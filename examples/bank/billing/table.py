"""Writes the invoices of a month as CSV, and adds them up: for each team, and in all."""

import csv
import json
import os
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

COLUMNS = ("month", "cluster", "team", "gigabytes", "base", "storage", "total")

given = json.loads(Path(os.environ["ROTA_INPUT"]).read_text())
teams = defaultdict(Decimal)
with Path("invoices.csv").open("w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(COLUMNS)
    for invoice in given["invoices"]:
        cells = [invoice[name] for name in COLUMNS]
        table.writerow([cell["$numberDecimal"] if isinstance(cell, dict) else cell for cell in cells])
        teams[invoice["team"]] += Decimal(invoice["total"]["$numberDecimal"])

total = sum(teams.values(), Decimal("0.00"))
sums = {team: str(teams[team]) for team in sorted(teams)}
Path(os.environ["ROTA_OUTPUT"]).write_text(json.dumps({"total": str(total), "teams": sums}))
print(f"{given['month']}: {len(given['invoices'])} invoices, {total} in all")
for team, amount in sums.items():
    print(f"  {team}: {amount}")
