"""The names of expressions: what is seen from a frame, and outward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rota.errors import ExpressionError
from rota.executions.models import NodeState, Problem, State
from rota.executions.names import error_names, names_for
from tests.core.executions.views import MemoryHost, execution, frame


def test_outputs_are_those_of_the_frame_that_knows_the_task(tmp_path: Path) -> None:
    host = MemoryHost(tmp_path, outputs={("", "list"): 1, ("f[a]", "dump"): 2, ("f[a]/g[0]", "leaf"): 3})
    root = frame("", "list", "f")
    target = frame("f[a]", "dump", "g", parent=root, index=0, key="a", item={"name": "a"}, fleet=True)
    inner = frame("f[a]/g[0]", "leaf", parent=target, index=0, key="0", item=10)
    outputs = names_for(execution(tmp_path, host=host), inner, None)["outputs"]
    assert [outputs[name] for name in ("list", "dump", "leaf")] == [1, 2, 3]
    assert list(outputs) == ["leaf", "dump", "g", "list", "f"]
    with pytest.raises(KeyError):
        outputs["elsewhere"]
    assert "leaf" not in dict.fromkeys(names_for(execution(tmp_path, host=host), root, None)["outputs"])


def test_the_nearest_iteration_gives_item_and_the_nearest_fleet_target(tmp_path: Path) -> None:
    root = frame()
    target = frame("f[a]", parent=root, index=4, key="a", item="host-a", fleet=True)
    item = frame("f[a]/g[0]", parent=target, index=0, key="k", item=10)
    repeat = frame("f[a]/r[2]", parent=target, index=2, key="2", repeats=True)
    view = execution(tmp_path)

    def seen(one: Any) -> dict[str, Any]:
        names = names_for(view, one, None)
        return {name: names[name] for name in ("item", "index", "key", "target") if name in names}

    assert seen(root) == {}
    assert seen(target) == {"item": "host-a", "index": 4, "key": "a", "target": "host-a"}
    assert seen(item) == {"item": 10, "index": 0, "key": "k", "target": "host-a"}
    assert seen(repeat) == {"item": None, "index": 2, "key": "2", "target": "host-a"}
    assert (repeat.owner(), item.owner(), root.owner()) == ("f[a]", "f[a]/g[0]", "")


def test_set_lies_over_the_variables_in_document_order(tmp_path: Path) -> None:
    host = MemoryHost(tmp_path, outputs={("", "first"): {"a": 1, "b": 1}, ("", "second"): {"b": 2}})
    view = execution(tmp_path, host=host, variables={"a": 0, "c": 0}, setters=("first", "second", "not_yet"))
    assert names_for(view, frame("", "first", "second"), None)["vars"] == {"a": 1, "b": 2, "c": 0}


def test_the_state_of_the_execution_is_known_at_its_end(tmp_path: Path) -> None:
    root = frame("", "a")
    root.nodes = {"": NodeState("", State.RUNNING, phase="finally", data={"outcome": "failed"})}
    inner = frame("f[a]", parent=root, index=0)
    view = execution(tmp_path)
    assert names_for(view, inner, None)["execution"]["state"] == "failed"
    root.nodes = {"": NodeState("", State.RUNNING, phase="body")}
    assert names_for(view, inner, None)["execution"]["state"] == "running"


def test_an_error_tells_its_target_where_it_knows_none_itself(tmp_path: Path) -> None:
    state = NodeState("s", State.FAILED, problem=Problem("fail", "no", "s/a", attempt=2))
    inside = frame("f[a]", index=0, key="a")
    assert error_names(state, inside) == {
        "task": "s/a", "target": "a", "message": "no", "type": "fail", "attempt": 2,
    }  # fmt: skip
    assert error_names(state, frame())["target"] is None
    assert error_names(None, inside) == error_names(NodeState("s"), inside) == {}


def test_functions_refuse_what_is_not_there(tmp_path: Path) -> None:
    names = names_for(execution(tmp_path, files={"a.txt": b"text"}), frame(), None)
    assert names["file"]("a.txt") == "text"
    with pytest.raises(ExpressionError, match=r"no file `b\.txt`"):
        names["file"]("b.txt")
    with pytest.raises(ExpressionError, match=r"`x` cannot be used here: it would steer"):
        names["secret"]("x")


def test_now_is_in_the_zone_of_the_flow(tmp_path: Path) -> None:
    names = names_for(execution(tmp_path, timezone="Asia/Tokyo"), frame(), None)
    assert names["now"]().tzname() == "JST"
    assert names["flow"] == {"id": "flow", "namespace": "bank", "timezone": "Asia/Tokyo"}
