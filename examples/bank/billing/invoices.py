"""Makes an invoice of each reading: the cluster itself, and every gigabyte that was begun."""

import json
import os
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

GIGABYTE = 10**9
CENT = Decimal("0.01")


def money(amount):
    """Return an amount, rounded to cents, as extended JSON spells MongoDB's decimals: never a binary fraction."""
    return {"$numberDecimal": str(amount.quantize(CENT, ROUND_HALF_UP))}


def invoice(reading, prices):
    """Return the invoice for a reading."""
    gigabytes = -(-reading["bytes"] // GIGABYTE)
    base, storage = prices["cluster_month"], gigabytes * prices["gigabyte_month"]
    return {
        "_id": reading["_id"],
        "month": reading["month"],
        "cluster": reading["cluster"],
        "team": reading["team"],
        "gigabytes": gigabytes,
        "base": money(base),
        "storage": money(storage),
        "total": money(base + storage),
    }


given = json.loads(Path(os.environ["ROTA_INPUT"]).read_text(), parse_float=Decimal)
prices = {name: Decimal(price) for name, price in given["prices"].items()}
invoices = [invoice(reading, prices) for reading in given["readings"]]
Path(os.environ["ROTA_OUTPUT"]).write_text(json.dumps({"invoices": invoices}))
print(f"{len(invoices)} readings computed")
