"""What `/health` says, as the one who waits for it understands it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli.instance import _health
from tests.cli.small_manager import DROPPED, Manager, Reply, answer


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine have the time that an instance does not: that is asked again."""
    monkeypatch.setattr("cli.instance._ANSWER_TIMEOUT_S", 60.0)


@pytest.mark.parametrize(
    ("reply", "is_serving", "reason"),
    [
        (answer({"status": "UP"}), True, ""),
        (answer({"status": "DEGRADED", "reason": "Nothing is recorded."}), True, "Nothing is recorded."),
        (answer({"status": "DOWN", "reason": "It is not ready."}, 503), False, "It is not ready."),
        (answer({"title": "Internal Server Error"}, 500), False, "/health answers 500"),
        (Reply((b"Invalid request",), 400), False, "/health answers 400"),
        (answer([], 503), False, "/health answers 503"),
    ],
)
def test_an_instance_serves_when_its_health_is_200(
    manager: Manager, reply: Reply, reason: str, *, is_serving: bool
) -> None:
    manager.reply = reply
    assert (is_serving, reason) == _health(manager.url)
    assert ["/health"] == manager.paths


def test_an_instance_that_does_not_answer_does_not_serve(manager: Manager, free_port: Callable[[], int]) -> None:
    manager.reply = DROPPED
    for url in (manager.url, f"http://127.0.0.1:{free_port()}"):
        health = _health(url)
        assert not health.is_serving
        assert health.reason.startswith(f"{url} does not answer (")
