"""Uploads by line: a verdict a line while the upload goes on, and a last line that says how it went."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.ingesting import ANSWER_TIMEOUT_S, chunk, connect, content, head, make_topic, new_topic, texts
from tests.running import Running, until, web_workers

NDJSON = "Content-Type: application/x-ndjson"
CHUNKED = "Transfer-Encoding: chunked"


def line(number: int) -> bytes:
    return b'{"key":"k%d","value":"v%d"}\n' % (number, number)


def upload(running: Running, topic: str, body: bytes | Iterable[bytes], query: str = "") -> list[dict[str, Any]]:
    """Upload and return the lines of the answer."""
    with running.http() as http:
        answer = http.post(f"/ingest/{topic}{query}", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert 200 == answer.status_code, answer.text
    assert answer.text.endswith("\n")
    return [json.loads(each) for each in answer.text.splitlines()]


class Talk:
    """An upload whose client sends and reads when it wants to."""

    def __init__(self, running: Running, topic: str, query: str = "") -> None:
        self.connection = connect(running)
        self.connection.sendall(head("POST", f"/ingest/{topic}{query}", NDJSON, CHUNKED))
        self._reader = self.connection.makefile("rb")
        self._held = b""
        self._has_begun = False

    def send(self, data: bytes) -> None:
        self.connection.sendall(chunk(data))

    def end(self) -> None:
        self.connection.sendall(chunk(b""))

    def lines(self) -> Iterable[dict[str, Any]]:
        """Yield the lines of the answer as they come."""
        if not self._has_begun:
            assert b"200" in self._reader.readline()
            while self._reader.readline().strip():
                pass
            self._has_begun = True
        while size := int(self._reader.readline() or b"0", 16):
            self._held += self._reader.read(size)
            self._reader.readline()
            *whole, self._held = self._held.split(b"\n")
            yield from map(json.loads, whole)

    def close(self) -> None:
        self._reader.close()
        self.connection.close()


TalkWith = Callable[..., Talk]


@pytest.fixture
def talk_with() -> Iterator[TalkWith]:
    """Return a function that begins an upload; what is still open after the test is closed."""
    talks: list[Talk] = []

    def begin(running: Running, topic: str, query: str = "") -> Talk:
        talks.append(Talk(running, topic, query))
        return talks[-1]

    yield begin
    for talk in talks:
        talk.close()


def test_each_line_gets_its_verdict_in_order(running: Running) -> None:
    name = new_topic(running)
    body = b"".join(
        (
            line(0),
            b"\n",
            b"nonsense\n",
            b'{"key":"crlf","value":"v"}\r\n',
            b"   \r\n",
            b'{"key":"k","value":5}\n',
            b'{"key":"tombstone","value":null}\n',
            b"[]\n",
            b'  {"key":"blanks","value":"v"}  \n',
            b'{"key":"huge","value":"' + b"x" * 2_000_000 + b'"}\n',
            line(7),
            b'{"key":"without newline","value":"v"}',
        )
    )
    *verdicts, end = upload(running, name, body)
    assert list(range(10)) == [verdict["index"] for verdict in verdicts]
    assert [1, 3, 5, 7] == [verdict["index"] for verdict in verdicts if "error" in verdict]
    assert (10, 6, 4) == (end["records"], end["written"], end["refused"])
    written = ["k0", "crlf", "tombstone", "blanks", "k7", "without newline"]
    assert sorted(set(written)) == sorted({key for key, _ in texts(running.kafka, name)})
    running.include(name, end["position"])
    places = {(record.partition(), record.offset()) for record in content(running.kafka, name)}
    assert places == {(each["partition"], each["offset"]) for each in verdicts if "offset" in each}


@pytest.mark.parametrize("body", [b"", b"\n\n \r\n"])
def test_an_upload_of_nothing_is_a_successful_nothing(running: Running, body: bytes) -> None:
    assert [{"records": 0, "written": 0, "refused": 0}] == upload(running, new_topic(running), body)


def test_a_line_beyond_the_limit_is_refused_and_passed(running: Running) -> None:
    name = new_topic(running)

    def body() -> Iterable[bytes]:
        yield line(1)
        yield b'{"key":"endless","value":"'
        for _ in range(12):
            yield b"x" * 1024 * 1024
        yield b'"}\n'
        yield line(2)

    first, refused, last, end = upload(running, name, body())
    assert ("10485760" in refused["error"]["detail"], 1) == (True, refused["index"])
    assert (0, 2, 3) == (first["index"], last["index"], end["records"])
    assert ["k1", "k2"] == sorted(key for key, _ in texts(running.kafka, name))


def test_lines_that_come_byte_by_byte_are_put_together(running: Running) -> None:
    name = new_topic(running)
    body = line(1) + line(2)
    *_, end = upload(running, name, (body[index : index + 1] for index in range(len(body))))
    assert (2, 2) == (end["records"], end["written"])


def test_a_dry_run_of_an_upload_writes_nothing(running: Running) -> None:
    name = new_topic(running)
    expected = [{"index": 0}, {"index": 1}, {"records": 2, "written": 0, "refused": 0}]
    for query in ("?dryRun=true", "?dryRun=true&atomic=true"):
        assert expected == upload(running, name, line(1) + line(2), query)
    assert [] == texts(running.kafka, name)


def test_who_reads_only_at_the_end_is_not_waited_for(running: Running) -> None:
    name = new_topic(running)
    with connect(running) as connection:
        # With small buffers, a server that waits for its reader would stop reading after some thousand lines.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        connection.sendall(head("POST", f"/ingest/{name}", NDJSON, CHUNKED))
        for start in range(0, 100_000, 1_000):
            connection.sendall(chunk(b"".join(map(line, range(start, start + 1_000)))))
        connection.sendall(chunk(b""))
        with connection.makefile("rb") as reader:
            while reader.readline().strip():
                pass
            *verdicts, end = _unchunked(reader.readline, reader.read)
    assert 100_000 == len(verdicts) == end["records"] == end["written"]
    assert list(range(100_000)) == [verdict["index"] for verdict in verdicts]
    assert {f"v{number}" for number in range(100_000)} == {value for _, value in texts(running.kafka, name)}


def _unchunked(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> list[dict[str, Any]]:
    body = b""
    parts = []
    while size := int(readline(), 16):
        parts.append(read(size))
        readline()
    body = b"".join(parts)
    return [json.loads(each) for each in body.splitlines()]


def test_verdicts_come_while_the_upload_goes_on(running: Running, talk_with: TalkWith) -> None:
    name = new_topic(running)
    talk = talk_with(running, name)
    lines = iter(talk.lines())
    for number in range(20):
        talk.send(line(number))
        assert number == next(lines)["index"]  # It comes before the next line is sent.
    talk.end()
    assert 20 == next(lines)["written"]
    talk.close()


def test_an_atomic_upload_is_wholly_there_or_not_at_all(running: Running) -> None:
    name = new_topic(running)
    good = b"".join(map(line, range(3_000)))
    for bad in (b"nonsense\n", b'{"key":"large","value":"' + b"x" * 2_000_000 + b'"}\n'):
        *refused, end = upload(running, name, good + bad + line(9), "?atomic=true")
        assert ([3_000], 0, 1) == ([each["index"] for each in refused], end["written"], end["refused"])
        assert (400, True) == (end["code"], "Nothing was written" in end["detail"])
        assert [] == texts(running.kafka, name)
    *verdicts, end = upload(running, name, good, "?atomic=true")
    assert (3_000, 3_000) == (len(verdicts), end["written"]), end
    running.include(name, end["position"])
    assert {f"v{number}" for number in range(3_000)} == {value for _, value in texts(running.kafka, name)}


def test_nothing_of_an_atomic_upload_shows_before_its_end(running: Running, talk_with: TalkWith) -> None:
    name = new_topic(running)
    talk = talk_with(running, name, "?atomic=true")
    talk.send(b"".join(map(line, range(100))))
    assert [] == texts(running.kafka, name, waits=False)
    talk.end()
    *verdicts, _ = talk.lines()
    talk.close()
    assert 100 == len(verdicts) == len(texts(running.kafka, name))


@pytest.mark.parametrize("query", ["", "?atomic=true"])
def test_clients_that_disappear_leave_nothing_behind(running: Running, query: str, talk_with: TalkWith) -> None:
    name = new_topic(running)
    # Each upload is charged a mebibyte of 32 in its worker, and an atomic one has the only turn: were anything of
    # that kept, the last ones would be refused.
    for number in range(20 if query else 120):
        talk = talk_with(running, name, query)
        talk.send(b"".join(map(line, range(10))) + b'{"key":"half')
        if number % 2 and not query:
            next(iter(talk.lines()))
        talk.close()

    def is_well() -> bool:
        with running.http() as http:
            answers = [http.post(f"/ingest/{name}{query}", json={"key": "a", "value": "b"}) for _ in range(20)]
        assert {answer.status_code for answer in answers} <= {200, 429}
        return all(answer.status_code == 200 for answer in answers)

    until(is_well)
    if query:
        assert {("a", "b")} == set(texts(running.kafka, name))
    talks = [talk_with(running, name) for _ in range(16)]  # As many uploads as one worker alone could take still go on.
    for talk in talks:
        talk.send(line(1))
        assert 0 == next(iter(talk.lines()))["index"]
        talk.close()


def test_too_many_uploads_at_the_same_time_are_told_to_come_again(running: Running, talk_with: TalkWith) -> None:
    name = new_topic(running)
    talks = []
    try:
        for _ in range(70):  # More than 32 for each of two workers.
            talk = talk_with(running, name)
            talks.append(talk)
            talk.send(line(1))
        statuses = []
        for talk in talks:
            first = talk.connection.makefile("rb").readline()
            statuses.append(int(first.split()[1]))
        assert {200, 429} == set(statuses)
    finally:
        for talk in talks:
            talk.close()

    def is_well() -> bool:
        with running.http() as http:
            return all(
                http.post(f"/ingest/{name}", json={"key": "a", "value": "b"}).status_code == 200 for _ in range(9)
            )

    until(is_well)


def test_a_worker_that_is_told_to_end_says_where_to_go_on(
    new_running: Callable[..., Running], talk_with: TalkWith
) -> None:
    running = new_running()
    running.start()
    name = make_topic(running, f"uploads-{os.getpid()}-{id(running)}")
    talks = [talk_with(running, name), talk_with(running, name, "?atomic=true"), talk_with(running, name)]
    sender, atomic, silent = talks
    for talk in (atomic, silent):
        talk.send(line(0) + b'{"key":"half')
    assert 0 == next(iter(silent.lines()))["index"]
    is_ended = threading.Event()
    ahead = threading.Semaphore(20)  # A client that does not read in time what is told is cut off.

    def send() -> None:
        number = 0
        while ahead.acquire() and not is_ended.is_set():
            try:
                sender.send(b"".join(map(line, range(number, number + 500))))
            except OSError:
                return
            number += 500

    thread = threading.Thread(target=send)
    thread.start()
    answers = []
    for answer in sender.lines():
        answers.append(answer)
        if len(answers) % 500 == 0:
            ahead.release()
        if len(answers) == 2_000:
            for worker in web_workers(running):
                worker.send_signal(signal.SIGTERM)
    is_ended.set()
    ahead.release()
    thread.join(ANSWER_TIMEOUT_S)
    *verdicts, end = answers
    assert (503, len(verdicts)) == (end["code"], end["records"])
    assert f"Continue with record {end['records'] + 1} " in end["detail"]
    assert list(range(len(verdicts))) == [verdict["index"] for verdict in verdicts]
    (last,) = silent.lines()
    assert (1, 1, 503) == (last["records"], last["written"], last["code"])
    (nothing,) = atomic.lines()
    assert (0, 503, True) == (nothing["written"], nothing["code"], "Nothing was written" in nothing["detail"])
    for talk in talks:
        talk.close()
    there = {(record.partition(), record.offset()) for record in content(running.kafka, name)}
    assert {(verdict["partition"], verdict["offset"]) for verdict in verdicts if "offset" in verdict} <= there
    running.await_health()
    running.stop()
