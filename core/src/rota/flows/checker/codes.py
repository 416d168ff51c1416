"""Every code that a finding can have: how grave it is, and what it means in a sentence."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Code(NamedTuple):
    """What is to be known of a code. `stage` says who finds it: `load` reads the text, `check` the meaning."""

    severity: Severity
    stage: Literal["load", "check"]
    summary: str


_LOAD = """
    yaml-syntax           the text is not YAML
    yaml-encoding         the file is not UTF-8, or has characters that YAML does not allow
    yaml-tag              a tag other than `!raw`
    yaml-value            a value does not fit its tag
    yaml-bomb             aliases stand for too much, or for themselves
    several-documents     there is more than one document in the file
    too-large             the file is too large
    too-many              there are more faults than are shown
    duplicate-key         a key is there twice in one mapping
    merge-key             `<<` is not part of YAML 1.2
    key-not-text          a key is a number, a boolean, a list or a mapping
    empty-flow            the file has no flow in it
    missing-key           a key that must be there is not
    unknown-key           the language has no such key there
    misplaced-key         a key stands where it has no meaning
    wrong-type            a value is of the wrong type
    invalid-value         a value is of the right type, and still not one that is taken
    unknown-type          no task type, trigger or input type has this name
    duplicate-id          two tasks, inputs or triggers have the same id
    unknown-need          `needs` names no task beside it
    circular-needs        tasks need each other in a circle
    flow-file             a pattern in `files` finds nothing, or leads out of the folder
"""
_LOAD_WARNINGS = """
    leading-zero          a number with a leading zero, which was octal in YAML 1.1
    unused-defaults       `defaults` for a type that no task has
"""
_CHECK = """
    broken-plugin         the plugin that provides a type cannot be used
    type-not-allowed      the settings do not allow this type in the namespace
    unknown-field         the task type has no such field
    missing-field         the task type needs a field that is not given
    invalid-expression    an expression is wrong: its syntax, or a filter or test that does not exist
    unknown-name          an expression uses a name that does not exist
    misplaced-name        an expression uses a name that has no value there
    unknown-input         there is no such input
    missing-input         an input that must be given is not
    unknown-variable      there is no such variable
    unknown-task          an expression reads a task that does not exist
    unknown-output        the task does not have such an output
    unknown-attribute     a value does not have what is asked of it
    not-yet-run           an expression reads a task that has not ended by then
    never-run             an expression reads a task that cannot have run by then
    hidden-task           an expression reads, from outside, a task of an iteration
    missing-file          a file that the flow does not have among its `files`
    secret-not-allowed    a secret where none may be: it would steer the flow, or be shown
    no-secret-backend     no secret backend is open to the namespace
    unknown-sink          an alert rule names a sink that the settings do not have
    not-boolean           a condition does not give true or false
    unknown-flow          the flow of a `subflow` or a trigger does not exist
    subflow-circle        a flow runs itself, by way of its subflows
    trigger-circle        a flow starts itself, by way of its triggers
    invalid-cron          a cron expression that is wrong
    cron-never-fires      a cron expression for a date that never comes
    unknown-timezone      there is no such timezone
    reserved-column       `collect` uses the name of a column that rows have anyway
    duplicate-target      two items of a list have the same key
    impossible-limits     limits that no list can meet
"""
_CHECK_WARNINGS = """
    maybe-undefined       an expression reads a task that may not have run
    shell-injection       data from outside is used in shell text without `quote`
    secret-in-flow        a secret is written in the flow
    template-not-rendered an expression where nothing is rendered
    constant-condition    a condition that is always true, or always false
    restart-unsaid        a scope with `finally` does not say what a restart runs
    unreachable-task      a task that never runs
    unreachable-case      a case of a `switch` that its value never has
    missing-case          a value that no case of a `switch` takes
    index-as-key          targets are known by their place in the list alone
    recursive-subflow     a flow may run itself, by way of its subflows
    date-passed           all dates of a schedule have passed
    open-webhook          anybody who knows the URL can start the flow
    unused-input          nothing uses an input
    unused-variable       nothing uses a variable
"""


def _table(text: str, severity: Severity, stage: Literal["load", "check"]) -> dict[str, Code]:
    rows = (line.split(maxsplit=1) for line in text.strip().splitlines())
    return {code: Code(severity, stage, summary) for code, summary in rows}


CODES: dict[str, Code] = {
    **_table(_LOAD, "error", "load"),
    **_table(_LOAD_WARNINGS, "warning", "load"),
    **_table(_CHECK, "error", "check"),
    **_table(_CHECK_WARNINGS, "warning", "check"),
}
"""All codes by name, those of the loader first."""
