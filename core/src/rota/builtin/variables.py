"""Task types `output` and `set`: values with a name, for what comes later."""

from __future__ import annotations

from typing import Any

from rota import Context, Task


class Output(Task):
    """Give values a name: they are the output of this task.

    Example:
        - id: report
          type: output
          values:
            total: "{{ outputs.count.value }}"
    """

    idempotent = True

    values: dict[str, Any]
    """The values by name, read as `outputs.<id>.<name>`."""

    def run(self, ctx: Context) -> dict[str, Any]:
        return self.values


class Set(Task):
    """Set variables of the flow: from here on they are `vars.<name>`.

    Example:
        - id: bucket
          type: set
          values:
            bucket: "backups-{{ inputs.env }}"
    """

    idempotent = True

    values: dict[str, Any]
    """The values by name, read as `vars.<name>` by what comes later."""

    def run(self, ctx: Context) -> dict[str, Any]:
        return self.values
