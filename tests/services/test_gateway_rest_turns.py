import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from core.errors import BusyError
from services.gateway import rest_turns
from services.gateway.rest_turns import Turns

LONG_S = 60.0


def test_as_many_calls_as_allowed_run_and_the_next_is_refused() -> None:
    turns = Turns(2, patience_s=0)

    with (
        turns.of("a"),
        turns.of("a"),
        pytest.raises(BusyError, match=r"2 calls .* QUICK_REST_CALLS_PER_HOST"),
        turns.of("a"),
    ):
        pass


def test_each_host_has_its_own_turns() -> None:
    turns = Turns(1, patience_s=0)

    with turns.of("a"), turns.of("b"), pytest.raises(BusyError), turns.of("a"):
        pass


def test_a_turn_is_free_again_after_a_call_that_failed() -> None:
    turns = Turns(1, patience_s=0)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError), turns.of("a"):
            raise ZeroDivisionError


def test_a_call_waits_for_a_turn_that_is_given_back_soon() -> None:
    turns = Turns(1, patience_s=LONG_S)
    go_on, waits = threading.Event(), threading.Event()

    def first() -> None:
        with turns.of("a"):
            waits.set()
            go_on.wait(LONG_S)

    def second() -> str:
        with turns.of("a"):
            return "had its turn"

    with ThreadPoolExecutor(2) as threads:
        held = threads.submit(first)
        assert waits.wait(LONG_S)
        waiting = threads.submit(second)
        go_on.set()
        assert "had its turn" == waiting.result(LONG_S)
        held.result(LONG_S)


def test_no_call_waits_for_a_host_whose_calls_all_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(rest_turns, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(threading.Condition, "wait", lambda *_: pytest.fail("it waited"))
    turns = Turns(1, patience_s=10)

    with turns.of("a"):
        now[0] = 10
        with pytest.raises(BusyError), turns.of("a"):
            pass
