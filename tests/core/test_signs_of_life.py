from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.signs_of_life import PROJECTOR, VARIABLE, WEB, Sign, SignReceiver, SignReporter, SignSender


@pytest.fixture
def receiver() -> Iterator[SignReceiver]:
    receiver = SignReceiver()
    thread = threading.Thread(target=receiver.serve)
    thread.start()
    yield receiver
    receiver.close()
    thread.join()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def sender_of(receiver: SignReceiver) -> SignSender:
    return SignSender.from_env({VARIABLE: str(receiver.descriptor)})


def test_the_last_sign_of_each_process_is_known(receiver: SignReceiver) -> None:
    sender, own = sender_of(receiver), os.getpid()
    last = Sign(name=WEB, pid=own, has_started=True, waits_for=["it"], problems=["p"], stalled=["s"], metrics="m 1\n")
    for sign in (Sign(name=WEB, pid=own), Sign(name=PROJECTOR, pid=own), last):
        sender.send(sign)
    until(lambda: receiver.last(WEB, 60) == [last])
    assert [Sign(name=PROJECTOR, pid=own)] == receiver.last(PROJECTOR, 60)
    assert [] == receiver.last(WEB, -1)
    sender.close()


def test_a_process_that_has_ended_gives_no_sign_any_more(receiver: SignReceiver) -> None:
    program = """
import os
from core.signs_of_life import Sign, SignSender
SignSender.from_env(os.environ).send(Sign(name="web", pid=os.getpid()))
"""
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env={**os.environ, VARIABLE: str(receiver.descriptor)},
        pass_fds=[receiver.descriptor],
        check=True,
        timeout=60,
    )
    sender = sender_of(receiver)
    sender.send(Sign(name=PROJECTOR, pid=os.getpid()))
    until(lambda: receiver.last(PROJECTOR, 60))  # It was sent behind the other one.
    assert [] == receiver.last(WEB, 60)
    sender.close()


def test_how_long_nothing_was_heard_is_known_from_the_beginning_on(receiver: SignReceiver) -> None:
    before = receiver.age_s(WEB)
    until(lambda: receiver.age_s(WEB) > before)
    sender, waited = sender_of(receiver), receiver.age_s(WEB)
    sender.send(Sign(name=WEB, pid=os.getpid()))
    until(lambda: receiver.last(WEB, 60))
    assert receiver.age_s(PROJECTOR) > waited
    sender.close()


def test_what_is_no_sign_is_passed(receiver: SignReceiver) -> None:
    sender = sender_of(receiver)
    assert sender._socket is not None
    sender._socket.send(b"no sign")
    sender.send(Sign(name=WEB, pid=os.getpid()))
    until(lambda: receiver.last(WEB, 60))
    sender.close()


def test_a_sign_that_is_too_long_is_shortened_and_still_given(receiver: SignReceiver) -> None:
    sender, problems = sender_of(receiver), [f"{number} " + "ä" * 1000 for number in range(1000)]
    sender.send(Sign(name=WEB, pid=os.getpid(), has_started=True, problems=problems))
    until(lambda: receiver.last(WEB, 60))
    (sign,) = receiver.last(WEB, 60)
    assert sign.has_started
    assert [text[:500] for text in problems[:20]] == sign.problems
    sender.close()


def test_a_reporter_reports_until_it_is_closed(receiver: SignReceiver) -> None:
    made: list[int] = []

    def sign() -> Sign:
        made.append(1)
        return Sign(name=WEB, pid=os.getpid())

    reporter = SignReporter(sender_of(receiver), sign)
    reporter.start()
    until(lambda: len(made) >= 2)
    reporter.close()
    assert not reporter.is_alive()


def test_nobody_is_told_where_nobody_listens() -> None:
    sender = SignSender.from_env({})
    assert not sender.is_heard
    sender.send(Sign(name=WEB, pid=1))
    sender.close()


def test_a_sign_for_which_there_is_no_room_is_left() -> None:
    own, given = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with own, given:
        sender = SignSender(given.fileno())
        for _ in range(2_000):
            sender.send(Sign(name=WEB, pid=1, metrics="m" * 1000))
        sender.close()
        own.settimeout(0)
        assert 0 < _waiting(own) < 2_000


def _waiting(own: socket.socket) -> int:
    """Return how many datagrams wait."""
    for count in range(10_000):
        try:
            own.recv(10_000)
        except BlockingIOError:
            return count
    raise AssertionError("they do not end")
