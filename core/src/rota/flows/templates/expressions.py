"""One compiled expression: from source to a value, with every failure told as an ExpressionError."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rota.errors import ExpressionError, RotaError
from rota.flows.templates.budget import Evaluation, enter
from rota.flows.templates.marks import conceal
from rota.flows.templates.scan import check_nesting

if TYPE_CHECKING:
    from jinja2 import nodes

    from rota.flows.templates.environment import Sandbox
    from rota.flows.templates.uses import Uses

_MAX_SHOWN = 80


class Result(NamedTuple):
    """What an expression gave: `value` is plain data, `secret` says that it must not be shown."""

    value: Any
    secret: bool
    evaluation: Evaluation


class Expression:
    """An expression, parsed and compiled when it is first asked for anything.

    Attributes:
        source: the expression without braces.
    """

    __slots__ = ("_is_lookup", "_run", "_sandbox", "_tree", "_uses", "source")

    def __init__(self, source: str, sandbox: Callable[[], Sandbox]) -> None:
        self.source = source
        self._sandbox = sandbox
        self._tree: nodes.Expr | None = None
        self._run: Callable[[Evaluation], Any] | None = None
        self._uses: Uses | None = None
        self._is_lookup = False

    @property
    def uses(self) -> Uses:
        """What it uses. Raises ExpressionError when the source is wrong, or names an unknown filter or test."""
        if self._uses is None:
            self._parse()
        assert self._uses is not None
        return self._uses

    @property
    def tree(self) -> nodes.Expr:
        """Its syntax tree, only to be read. Raises ExpressionError as `uses` does."""
        return self._parse()

    def evaluate(self, names: Mapping[str, Any]) -> Result:
        """Return what the expression gives with `names`.

        Raises ExpressionError, or the error of Rota's own that a function raised (SecretError, StoreBusy, …).
        """
        evaluation = Evaluation(names)
        before = enter(evaluation)
        try:
            run = self._run or self._compile()
            return self._result(evaluation, run(evaluation))
        except RotaError as error:
            raise self._explained(error, evaluation) from None
        except RecursionError:
            raise self._error("it is nested too deeply", evaluation) from None
        except MemoryError:
            raise self._error("it needs more memory than there is", evaluation) from None
        except Exception as error:  # noqa: BLE001  # Jinja and plugins' filters raise what they like
            raise self._error(f"{type(error).__name__}: {error}", evaluation) from None
        finally:
            enter(before)

    def render(self, names: Mapping[str, Any]) -> Any:
        """Return what the expression gives, wrapped as secret when it used one. Raises like `evaluate`."""
        result = self.evaluate(names)
        return conceal(result.value) if result.secret else result.value

    def text_of(self, result: Result) -> str:
        """Return the value of `result` as it stands inside a text. Raises ExpressionError when it has no text."""
        from rota.flows.templates.data import to_text

        try:
            return to_text(result.evaluation, result.value)
        except ExpressionError as error:
            raise self._explained(error, result.evaluation) from None

    def _result(self, evaluation: Evaluation, value: Any) -> Result:
        kind = type(value)
        # What was only looked up is as small, and as plain, as whoever renders made it.
        if kind is not str and not (self._is_lookup and (kind is dict or kind is list)):
            from rota.flows.templates.data import finished

            value = finished(evaluation, value)
        return Result(value, evaluation.tainted, evaluation)

    def _parse(self) -> nodes.Expr:
        if self._tree is None:
            check_nesting(self.source)
            from jinja2 import TemplateError

            from rota.flows.templates.uses import uses_of

            sandbox = self._sandbox()
            try:
                tree = sandbox.parse_one(self.source)
                uses = uses_of(tree)
            except TemplateError as error:
                raise self._syntax_error(error) from None
            except RecursionError:
                raise self._error("it is nested too deeply") from None
            except ExpressionError as error:
                raise self._explained(error) from None
            except Exception as error:  # noqa: BLE001  # Jinja's lexer raises ValueError, OverflowError, …
                raise self._error(f"{type(error).__name__}: {error}") from None
            self._check_known(sandbox, uses)
            self._tree, self._uses = tree, uses
        return self._tree

    def _check_known(self, sandbox: Sandbox, uses: Uses) -> None:
        from rota.flows.similar import did_you_mean

        if not uses.filters <= sandbox.filters.keys():
            sandbox.load_more_filters()
        for what, used, known in (("filter", uses.filters, sandbox.filters), ("test", uses.tests, sandbox.tests)):
            for name in sorted(used - known.keys()):
                raise self._error(f"there is no {what} `{name[:40]}`", hint=did_you_mean(name, known))

    def _compile(self) -> Callable[[Evaluation], Any]:
        from rota.flows.templates.lookups import lookup_runner
        from rota.flows.templates.uses import plain_path

        tree = self._parse()
        path = plain_path(tree)
        self._is_lookup = path is not None
        try:
            self._run = lookup_runner(path) if path else self._sandbox().runner(tree)
        except (SyntaxError, RecursionError, MemoryError):
            raise self._error("it is nested too deeply") from None
        return self._run

    def _syntax_error(self, error: Any) -> ExpressionError:
        lines = self.source.split("\n")
        offset = sum(len(line) + 1 for line in lines[: (error.lineno or 1) - 1])
        failure = self._error(f"it is no expression: {str(error.message or error)[:200]}")
        failure.offset = offset
        return failure

    def _error(self, reason: str, evaluation: Evaluation | None = None, *, hint: str = "") -> ExpressionError:
        return self._located(ExpressionError(reason[:500], hint=hint), evaluation)

    def _explained(self, error: RotaError, evaluation: Evaluation | None = None) -> RotaError:
        """Return `error` with this expression in it, unless it is another's or no ExpressionError at all."""
        if not isinstance(error, ExpressionError) or error.expression:
            return error
        return self._located(error, evaluation)

    def _located(self, error: ExpressionError, evaluation: Evaluation | None) -> ExpressionError:
        if evaluation is not None and evaluation.tainted:
            # The reason may quote the secret.
            reason, hint = "it failed; no more is told, as it uses a secret", ""
        else:
            reason, hint = error.message, error.hint
        shown = self.source if len(self.source) <= _MAX_SHOWN else self.source[: _MAX_SHOWN - 1] + "…"
        return ExpressionError(f"`{shown}`: {reason}", expression=self.source, hint=hint, offset=error.offset)
