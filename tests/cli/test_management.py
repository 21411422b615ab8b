from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from cli.listener import listen
from cli.management import SILENT_S, Management, Vitality, answer_of
from core.signs_of_life import PROJECTOR, WEB, Sign, SignReceiver, SignSender
from tests.running import until


class Signs(SignReceiver):
    """Signs that a test gives, and how old they are."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Sign] = []
        self.ages = {PROJECTOR: 0.0, WEB: 0.0}

    def last(self, name: str, within_s: float) -> list[Sign]:
        return [sign for sign in self.given if sign.name == name and self.ages[name] <= within_s]

    def age_s(self, name: str) -> float:
        return self.ages[name]


@pytest.fixture
def signs() -> Iterator[Signs]:
    signs = Signs()
    yield signs
    signs.close()


def probes(vitality: Vitality) -> tuple[int, int, int]:
    started, ready, alive = (
        answer_of(f"/health/{what}", vitality).status for what in ("started", "readiness", "liveness")
    )
    return started, ready, alive


def reason(vitality: Vitality, path: str = "/health") -> str:
    return str(json.loads(answer_of(path, vitality).body)["reason"])


def test_a_quick_that_was_just_started_is_alive_and_nothing_else(signs: Signs) -> None:
    vitality = Vitality(signs)
    assert (503, 503, 200) == probes(vitality)
    assert "No web process tells how it is." in reason(vitality)


def test_it_has_started_when_a_worker_has_and_that_stays_so(signs: Signs) -> None:
    vitality = Vitality(signs)
    signs.given = [Sign(name=PROJECTOR, pid=1, has_started=True), Sign(name=WEB, pid=2, waits_for=["The log."])]
    assert (503, 503, 200) == probes(vitality)
    assert "The log." == reason(vitality, "/health/started")
    signs.given[1] = Sign(name=WEB, pid=2, has_started=True)
    assert (200, 200, 200) == probes(vitality)
    signs.given = []
    assert (200, 503, 200) == probes(vitality)


def test_it_is_ready_when_all_of_its_processes_are(signs: Signs) -> None:
    vitality = Vitality(signs)
    ready = [Sign(name=PROJECTOR, pid=1, has_started=True), Sign(name=WEB, pid=2, has_started=True)]
    for late in (
        Sign(name=PROJECTOR, pid=1, has_started=True, waits_for=["The mirror is being built."]),
        Sign(name=WEB, pid=3, has_started=True, waits_for=["The mirror is being built."]),
    ):
        signs.given = [*ready, late]
        assert (200, 503, 200) == probes(vitality)
        assert "The mirror is being built." == reason(vitality)
    signs.given = ready
    assert (200, 200, 200) == probes(vitality)


def test_one_that_is_silent_is_neither_ready_nor_after_some_time_alive(signs: Signs) -> None:
    vitality = Vitality(signs)
    signs.given = [Sign(name=PROJECTOR, pid=1, has_started=True), Sign(name=WEB, pid=2, has_started=True)]
    assert (200, 200, 200) == probes(vitality)
    signs.ages[PROJECTOR] = SILENT_S - 1
    assert (200, 503, 200) == probes(vitality)
    signs.ages[PROJECTOR] = SILENT_S + 1
    assert (200, 503, 503) == probes(vitality)


def test_a_part_that_does_not_get_on_is_a_reason_to_start_again(signs: Signs) -> None:
    vitality = Vitality(signs)
    signs.given = [Sign(name=PROJECTOR, pid=1, stalled=["The folds."]), Sign(name=WEB, pid=2, has_started=True)]
    assert (200, 200, 503) == probes(vitality)
    assert "The folds." == reason(vitality, "/health/liveness")


def test_what_does_not_work_beside_is_told_and_no_reason_not_to_be_ready(signs: Signs) -> None:
    vitality = Vitality(signs)
    signs.given = [
        Sign(name=PROJECTOR, pid=1),
        Sign(name=WEB, pid=2, has_started=True, problems=["Nothing is recorded."]),
    ]
    assert (200, 200, 200) == probes(vitality)
    body = json.loads(answer_of("/health", vitality).body)
    assert {"status": "DEGRADED", "reason": "Nothing is recorded."} == body


def test_figures_come_with_whether_it_is_ready(signs: Signs) -> None:
    vitality = Vitality(signs)
    assert b"\nquick_ready 0\n" in answer_of("/metrics", vitality).body
    signs.given = [Sign(name=PROJECTOR, pid=1), Sign(name=WEB, pid=2, has_started=True, metrics="some 1\n")]
    figures = answer_of("/metrics", vitality).body
    assert figures.startswith(b"some 1\n# HELP quick_ready ")
    assert figures.endswith(b"\nquick_ready 1\n")


def test_other_paths_are_not_there_and_the_query_does_not_matter(signs: Signs) -> None:
    vitality = Vitality(signs)
    assert 404 == answer_of("/manager/topics", vitality).status
    assert 404 == answer_of("/", vitality).status
    assert 200 == answer_of("/health/liveness/?verbose=1", vitality).status


def test_it_answers_while_others_hold_their_connections_and_until_it_is_left() -> None:
    listener, signs = listen("127.0.0.1", 0), SignReceiver()
    with Management(listener, signs) as management:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as silent:
            silent.sendall(b"GET /hea")
            with httpx.Client(base_url=management.url, timeout=60) as http:
                assert 200 == http.get("/health/liveness").status_code
                assert 503 == http.head("/health/started").status_code
                assert 501 == http.post("/health/started").status_code
                sender = SignSender(signs.descriptor)

                def is_ready() -> bool:
                    for name in (PROJECTOR, WEB):  # As processes do: a sign does not count for long.
                        sender.send(Sign(name=name, pid=os.getpid(), has_started=True))
                    assert 200 == http.get("/health/liveness").status_code
                    return http.get("/health/readiness").status_code == 200

                until(is_ready)
                sender.close()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{management.url}/health/liveness", timeout=60)
    assert not any(thread.name in ("management", "signs of life") for thread in threading.enumerate())
