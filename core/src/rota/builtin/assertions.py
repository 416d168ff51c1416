"""Task type `assert`: fails unless what must hold does."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rota import Context, Evaluated, Expression, Task, TaskFailed


class Assert(Task):
    """Fail unless all conditions hold.

    Example:
        - id: enough
          type: assert
          conditions:
            - inputs.count > 3
            - "{{ vars.env in ['prod', 'staging'] }}"
          message: too few clusters
    """

    idempotent = True

    conditions: Annotated[list[Evaluated], Expression(), Field(min_length=1)]
    """What must hold: expressions, braces optional, each of which must give a boolean."""
    message: str = ""
    """What the error says first."""

    def run(self, ctx: Context) -> None:
        for condition in self.conditions:
            if not isinstance(condition.value, bool):
                kind = type(condition.value).__name__
                raise TaskFailed(
                    f"`{condition.source}` must give true or false, and gave {kind}",
                    retryable=False,
                    hint="compare it: `… == 'x'`",
                )
        wrong = ", ".join(f"`{condition.source}`" for condition in self.conditions if not condition.value)
        if wrong:
            raise TaskFailed(f"{self.message}: {wrong} does not hold" if self.message else f"{wrong} does not hold")
