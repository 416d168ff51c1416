"""The pool of clients: lent to one at a time, dropped when broken, closed when nobody needs them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rota.executions.clients import ClientPool


class Server:
    """Counts what is opened and closed."""

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.closed: list[int] = []

    def open(self) -> int:
        self.opened.append(len(self.opened))
        return self.opened[-1]

    def use(self, pool: ClientPool, owner: str = "", *, shared: bool = False, key: object = "k") -> Any:
        return pool.lend(owner, key, self.open, self.closed.append, shared=shared)


def test_a_client_is_opened_once_and_lent_again() -> None:
    pool, server = ClientPool(), Server()
    for _ in range(3):
        with server.use(pool) as client:
            assert client == 0
    assert (server.opened, server.closed) == ([0], [])
    pool.close()
    assert server.closed == [0]


def test_one_that_is_in_use_is_not_lent_unless_shared() -> None:
    pool, server = ClientPool(), Server()
    with server.use(pool) as first, server.use(pool) as second:
        assert (first, second) == (0, 1)
    with server.use(pool, shared=True, key="s") as first, server.use(pool, shared=True, key="s") as second:
        assert first == second == 2
    assert server.closed == []


@pytest.mark.parametrize("error", [ConnectionResetError(), EOFError(), TimeoutError()])
def test_a_broken_client_is_closed_and_never_lent_again(error: Exception) -> None:
    pool, server = ClientPool(), Server()
    with pytest.raises(type(error)), server.use(pool):
        raise error
    with pytest.raises(RuntimeError, match="own"), server.use(pool):
        raise RuntimeError("own") from error
    assert (server.opened, server.closed) == ([0, 1], [0, 1])


def test_another_failure_keeps_it() -> None:
    pool, server = ClientPool(), Server()
    with pytest.raises(ValueError, match="x"), server.use(pool):
        raise ValueError("x")
    with server.use(pool) as client:
        assert client == 0


def test_a_shared_one_that_broke_for_one_is_closed_after_the_last() -> None:
    pool, server = ClientPool(), Server()
    with server.use(pool, shared=True):
        with pytest.raises(ConnectionError), server.use(pool, shared=True):
            raise ConnectionError
        assert server.closed == []
        with server.use(pool, shared=True) as client:
            assert client == 1
    assert server.closed == [0]


def test_what_a_target_used_alone_is_closed_at_its_end() -> None:
    pool, server = ClientPool(), Server()
    with server.use(pool, "f[a]"), server.use(pool, "f[b]"):
        pass
    with server.use(pool, "f[a]", shared=True, key="s"), server.use(pool, "f[b]", shared=True, key="s"):
        pass
    pool.close("f[a]")
    assert server.closed == [0]
    pool.close("f[b]")
    assert server.closed == [0, 1, 2]


def test_what_is_in_use_is_closed_with_its_use() -> None:
    pool, server = ClientPool(), Server()
    with server.use(pool):
        pool.close()
        assert server.closed == []
    assert server.closed == [0]
    with server.use(pool):
        pass
    assert server.closed == [0, 1], "after the end nothing is kept"


def test_idle_clients_are_taken_out() -> None:
    pool, server = ClientPool(), Server()
    with server.use(pool), server.use(pool, key="other"):
        assert pool.take_idle(0) == []
    for client in pool.take_idle(0):
        client.end()
    assert sorted(server.closed) == [0, 1]
    assert pool.take_idle(0) == []


def test_a_client_that_cannot_be_closed_is_gone_all_the_same() -> None:
    pool = ClientPool()

    def fail(_: int) -> None:
        raise OSError("no")

    with pool.lend("", "k", lambda: 1, fail, shared=False):
        pass
    pool.close()


def test_of_many_who_ask_for_a_shared_client_one_opens_it() -> None:
    pool, server = ClientPool(), Server()
    together = threading.Barrier(8)

    def use() -> None:
        together.wait()
        with server.use(pool, shared=True):
            together.wait()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.opened == [0]
