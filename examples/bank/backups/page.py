"""Draws the report as a page of its own: a bar for each cluster, what failed at the top."""

from html import escape

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left; }}
.bar {{ background: #3d7a5c; display: block; height: .8rem; min-width: 2px; }}
.bad {{ color: #b3261e; }}
</style>
<h1>{title}</h1>
<table>
<tr><th>cluster<th>team<th>state<th>bytes<th style="width: 40%">
{rows}
</table>
</html>
"""


def page(title, rows):
    """Return the page for the rows of the fleet."""
    largest = max((row["bytes"] or 0 for row in rows), default=0) or 1
    ordered = sorted(rows, key=lambda row: (row["state"] == "success", row["key"]))
    return PAGE.format(title=escape(title), rows="\n".join(_line(row, largest) for row in ordered))


def _line(row, largest):
    good = row["state"] == "success"
    width = 100 * (row["bytes"] or 0) / largest
    last = f'<span class="bar" style="width: {width:.1f}%"></span>' if good else escape(row["error"] or "")
    cells = (row["key"], row["team"] or "", row["state"], "" if row["bytes"] is None else f"{row['bytes']:,}")
    kind = "" if good else ' class="bad"'
    return f"<tr{kind}>" + "".join(f"<td>{escape(cell)}" for cell in cells) + f"<td>{last}"
