"""Worker threads: on demand, no more than there may be, replaced when one is given up."""

from __future__ import annotations

import threading

from rota.conductor.workers import RETIRED, Workers


def started(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]


def test_threads_are_started_on_demand_and_used_again() -> None:
    workers, done = Workers(4, "on-demand"), threading.Semaphore(0)
    for _ in range(10):
        workers.give(done.release)
        assert done.acquire(timeout=10)
        workers.done()
    assert len(started("on-demand")) == 1
    assert workers.free == 4
    workers.close()


def test_a_job_that_waits_does_not_keep_the_next_from_running() -> None:
    workers, gate, done = Workers(2, "two"), threading.Event(), threading.Semaphore(0)
    workers.give(lambda: gate.wait(10))
    workers.give(done.release)
    assert done.acquire(timeout=10)
    assert workers.free == 0
    gate.set()
    workers.close()


def test_a_thread_that_was_given_up_is_replaced_and_ends_after_its_job() -> None:
    workers, gate, done = Workers(1, "given-up"), threading.Event(), threading.Semaphore(0)
    began = threading.Event()

    def deaf() -> object:
        began.set()
        gate.wait(10)
        return RETIRED

    workers.give(deaf)
    (thread,) = started("given-up")
    assert began.wait(10)
    assert workers.free == 0
    workers.replace()
    assert workers.free == 1
    workers.give(done.release)
    assert done.acquire(timeout=10), "another thread does it"
    gate.set()
    thread.join(10)
    assert not thread.is_alive()
    workers.close()


def test_they_are_daemons_and_end_when_closed() -> None:
    workers, done = Workers(3, "closed"), threading.Semaphore(0)
    for _ in range(3):
        workers.give(done.release)
    for _ in range(3):
        assert done.acquire(timeout=10)
    threads = started("closed")
    assert all(thread.daemon for thread in threads)
    workers.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
