"""Calls to services that are slow, broken or hostile, on real sockets."""

import gzip
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpcore
import pytest

from core.errors import BusyError, QuickError, RestServiceError, UnavailableError
from core.rest_settings import RestHosts, RestSettings
from core.rest_urls import RestUrl
from services.gateway import rest_client
from services.gateway.rest_client import MAX_ERROR_BYTES, RestAnswer, RestClient
from services.gateway.rest_requests import RestRequest
from tests.running import until
from tests.services.rest_service import Asked, Reply, RestService, rest_service

DEADLINE_S = 60.0

LOCAL = RestSettings(hosts=RestHosts.parse("127.0.0.1"))


@pytest.fixture
def service() -> Iterator[RestService]:
    with rest_service() as service:
        yield service


def get(url: str, body: bytes = b"", method: str = "GET") -> RestRequest:
    parsed = RestUrl.parse(url)
    return RestRequest(method, parsed, (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else ""), body)


def call(url: str, settings: RestSettings = LOCAL, resolver: Callable[[str, int], Sequence[str]] | None = None) -> Any:
    client = RestClient(settings, resolver) if resolver is not None else RestClient(settings)
    try:
        return client.call(get(url))
    finally:
        client.close()


def refusal_of(url: str, settings: RestSettings = LOCAL, **others: Any) -> QuickError:
    with pytest.raises(QuickError) as caught:
        call(url, settings, **others)
    message = str(caught.value)
    assert "127.0.0.1" not in message, "callers are told nothing of the network"
    assert "Errno" not in message
    return caught.value


def test_an_answer_has_status_type_and_body(service: RestService) -> None:
    service.answer = Reply(201, b'{"a":1}', {"Content-Type": "application/hal+json"})

    assert RestAnswer(201, "application/hal+json", b'{"a":1}') == call(f"{service.url}/x?y=1")
    assert ["/x?y=1"] == service.targets()


def test_a_get_says_what_it_takes_and_nothing_else(service: RestService) -> None:
    call(service.url)

    assert [
        Asked(
            "GET",
            "/",
            {
                "host": f"127.0.0.1:{service.port}",
                "accept": "application/json",
                "accept-encoding": "gzip",
                "user-agent": "quick-gateway",
            },
            b"",
        )
    ] == service.asked


@pytest.mark.parametrize("body", [b"", b'{"n":1}'])
def test_a_post_tells_the_length_and_the_type_of_its_body(service: RestService, body: bytes) -> None:
    client = RestClient(LOCAL)
    client.call(get(service.url, body, "POST"))
    client.close()

    (asked,) = service.asked
    media_type = "application/json; charset=utf-8" if body else None
    assert ("POST", body, str(len(body)), media_type) == (
        asked.method,
        asked.body,
        asked.headers["content-length"],
        asked.headers.get("content-type"),
    )


def test_a_host_is_sent_its_headers_and_no_other(service: RestService) -> None:
    settings = replace(
        LOCAL,
        headers={
            f"127.0.0.1:{service.port}": {"Authorization": "Bearer hush", "accept": "text/json"},
            "example.com": {"X-Other": "x"},
        },
    )

    call(service.url, settings)

    headers = service.asked[0].headers
    assert ("Bearer hush", "text/json") == (headers["authorization"], headers["accept"])
    assert "x-other" not in headers


def test_connections_are_used_again_and_cookies_are_not_kept(
    service: RestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_client, "_KEPT_OPEN_S", DEADLINE_S)
    service.answer = Reply(headers={"Set-Cookie": "session=1"})
    client = RestClient(LOCAL)

    for _ in range(3):
        client.call(get(service.url))

    client.close()
    assert 1 == service.connections
    assert not any("cookie" in asked.headers for asked in service.asked)


def test_a_client_is_used_by_many_threads(service: RestService) -> None:
    client = RestClient(replace(LOCAL, calls_per_host=8))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: client.call(get(f"{service.url}/{number}")), range(40)))

    client.close()
    assert [200] * 40 == [answer.status for answer in answers]
    assert {f"/{number}" for number in range(40)} == set(service.targets())


def test_a_client_that_was_made_before_a_fork_serves_the_child(service: RestService) -> None:
    client = RestClient(LOCAL)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if client.call(get(service.url)).status == 200 else 1)
    _, status = os.waitpid(pid, 0)

    assert 0 == os.waitstatus_to_exitcode(status)


def test_proxies_of_the_environment_are_not_used(service: RestService, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert 200 == call(service.url).status


def test_a_redirect_is_an_answer_and_is_not_followed(service: RestService) -> None:
    service.answer = Reply(302, b"", {"Location": f"{service.url}/secret"})

    assert RestAnswer(302, "application/json", b"") == call(f"{service.url}/x")
    assert ["/x"] == service.targets()


def test_a_packed_answer_is_unpacked(service: RestService) -> None:
    service.answer = Reply(200, gzip.compress(b'{"a":1}'), {"Content-Encoding": "gzip"})

    assert b'{"a":1}' == call(service.url).body


def test_a_packed_answer_that_grows_beyond_the_limit_is_refused(service: RestService) -> None:
    service.answer = Reply(200, gzip.compress(bytes(20_000_000)), {"Content-Encoding": "gzip"})

    error = refusal_of(service.url, replace(LOCAL, max_response_bytes=100_000))

    assert "The REST service answered with more than 100000 bytes. Correct the service, or ask it for less." == str(
        error
    )


def test_an_endless_answer_is_cut_off(service: RestService) -> None:
    ended = threading.Event()

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while not service.ending.is_set():
                handler.wfile.write(b"[" * 10_000)
        except ConnectionError:
            ended.set()

    service.answer = endless

    assert isinstance(refusal_of(service.url), RestServiceError)
    assert ended.wait(DEADLINE_S), "the service was heard to the end"


def test_an_endless_error_is_told_as_far_as_it_is_read(service: RestService) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 500 No\r\n\r\n")
        while not service.ending.is_set():
            handler.wfile.write(b"x" * 10_000)

    service.answer = endless

    assert RestAnswer(500, "", b"x" * MAX_ERROR_BYTES) == call(service.url)


def test_a_silent_service_is_given_up(service: RestService) -> None:
    service.answer = lambda _: service.ending.wait(DEADLINE_S)  # type: ignore[assignment, return-value]

    error = refusal_of(service.url, replace(LOCAL, read_timeout_s=0.1))

    assert isinstance(error, UnavailableError)
    assert "The REST service did not answer in time. Try again later." == str(error)


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_service_that_drips_is_given_up_though_it_is_never_silent(service: RestService, begin: bytes) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin)
        while not service.ending.wait(0.02):
            handler.wfile.write(b"a" if begin else b"HTTP/1.1 102 Processing\r\n\r\n")

    service.answer = drip

    error = refusal_of(service.url, replace(LOCAL, read_timeout_s=DEADLINE_S, total_timeout_s=1.0))

    assert "The REST service did not answer in time. Try again later." == str(error)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[1",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "another protocol", "too short", "wrong length", "chunks cut off", "huge header"],
)
def test_an_answer_that_is_no_http_is_broken_off(service: RestService, sent: bytes) -> None:
    service.answer = lambda handler: handler.wfile.write(sent)  # type: ignore[assignment, return-value]

    error = refusal_of(service.url)

    assert isinstance(error, UnavailableError)
    assert "The REST service broke off its answer. Try again later." == str(error)


def test_a_service_that_is_not_there_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    error = refusal_of(f"http://127.0.0.1:{port}")

    assert isinstance(error, UnavailableError)
    assert "The REST service cannot be reached. Try again later." == str(error)


def test_a_host_without_address_is_not_known() -> None:
    def nothing(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    error = refusal_of("http://nowhere.example", RestSettings(), resolver=nothing)

    assert isinstance(error, UnavailableError)
    assert "The REST service is at a host that is not known. Try again later." == str(error)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "nowhere.invalid"])
def test_a_name_that_the_system_cannot_look_up_is_not_known(host: str) -> None:
    assert "not known" in str(refusal_of(f"http://{host}", RestSettings()))


def test_a_look_up_that_takes_too_long_is_given_up_and_shared(service: RestService) -> None:
    asked: list[str] = []

    def slow(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        service.ending.wait(DEADLINE_S)
        return []

    client = RestClient(replace(LOCAL, hosts=RestHosts.parse("*"), connect_timeout_s=0.1), slow)

    for _ in range(3):
        with pytest.raises(UnavailableError, match="cannot be reached"):
            client.call(get("http://slow.example"))

    until(lambda: asked != [])  # All three may have given up before it began.
    assert ["slow.example"] == asked
    service.ending.set()
    client.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "0", "[::ffff:7f00:1]"])
def test_this_machine_is_not_called_under_any_of_its_names(service: RestService, host: str) -> None:
    error = refusal_of(f"http://{host}:{service.port}/", RestSettings())

    assert isinstance(error, RestServiceError)
    assert "at a host that gateways may not call" in str(error)
    assert 0 == service.connections


@pytest.mark.parametrize(
    "patterns", ["*", "*.example.com", "other.example.com", "*, api.example.com:1", "*, 127.0.0.1"]
)
def test_a_name_that_leads_to_this_machine_is_not_called(service: RestService, patterns: str) -> None:
    settings = RestSettings(hosts=RestHosts.parse(patterns))

    error = refusal_of(f"http://api.example.com:{service.port}", settings, resolver=lambda *_: ["127.0.0.1"])

    assert "may not call" in str(error)
    assert 0 == service.connections


def test_a_host_that_is_written_out_is_called_wherever_it_is(service: RestService) -> None:
    settings = RestSettings(hosts=RestHosts.parse(f"*, api.example.com:{service.port}"))
    url = f"http://API.example.com:{service.port}"

    assert 200 == call(url, settings, resolver=lambda *_: ["127.0.0.1"]).status
    assert [f"api.example.com:{service.port}"] == [asked.headers["host"] for asked in service.asked]


@pytest.fixture
def connected_to(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a connection is attempted to; none of them answers."""
    attempts: list[str] = []

    def refuse(_self: object, host: str, *_: object, **__: object) -> None:
        attempts.append(host)
        raise httpcore.ConnectError

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", refuse)
    return attempts


def test_a_name_is_not_looked_up_again_between_check_and_connection(connected_to: list[str]) -> None:
    """A name that is public when it is checked, and leads to this machine a moment later."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])

    error = refusal_of("http://rebind.example", RestSettings(), resolver=lambda *_: next(answers))

    assert isinstance(error, UnavailableError)
    assert ["8.8.8.8"] == connected_to


def test_addresses_that_may_not_be_called_are_passed_over(connected_to: list[str]) -> None:
    addresses = ["127.0.0.1", "8.8.8.8", "10.0.0.1", "::1", "1.1.1.1", "fe80::1%eth0"]

    refusal_of("http://both.example", RestSettings(), resolver=lambda *_: addresses)

    assert ["8.8.8.8", "1.1.1.1"] == connected_to


def test_an_address_that_is_silent_leaves_time_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts_s: list[float] = []

    def stay_silent(_self: object, _host: str, _port: int, timeout: float, *_: object) -> None:
        timeouts_s.append(timeout)
        raise httpcore.ConnectTimeout

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", stay_silent)
    settings = RestSettings(connect_timeout_s=8, total_timeout_s=DEADLINE_S)

    refusal_of("http://two.example", settings, resolver=lambda *_: ["8.8.8.8", "1.1.1.1"])

    first_s, second_s = timeouts_s
    assert first_s <= 4 < second_s <= 8


def test_the_next_address_is_tried_when_one_does_not_answer(service: RestService) -> None:
    settings = RestSettings(hosts=RestHosts.parse("two.example"))

    answer = call(
        f"http://two.example:{service.port}", settings, resolver=lambda *_: ["127.99.99.99", "::1", "127.0.0.1"]
    )

    assert 200 == answer.status


def test_a_slow_host_takes_no_more_calls_than_allowed(service: RestService) -> None:
    arrived = threading.Semaphore(0)

    def hold(handler: BaseHTTPRequestHandler) -> None:
        arrived.release()
        service.ending.wait(DEADLINE_S)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    service.answer = hold
    settings = replace(LOCAL, calls_per_host=2, read_timeout_s=DEADLINE_S, total_timeout_s=DEADLINE_S)
    client = RestClient(settings)
    with ThreadPoolExecutor(2) as threads, rest_service() as other:
        held = [threads.submit(client.call, get(service.url)) for _ in range(2)]
        assert all(arrived.acquire(timeout=DEADLINE_S) for _ in held)

        with pytest.raises(BusyError, match="2 calls to the REST service are under way already"):
            client.call(get(service.url))
        assert 200 == client.call(get(other.url)).status

        service.ending.set()
        assert [200, 200] == [answer.result(DEADLINE_S).status for answer in held]
    client.close()


def test_a_client_may_be_closed_without_having_called() -> None:
    RestClient(LOCAL).close()


def test_headers_of_an_answer_that_come_twice_are_one_list(service: RestService) -> None:
    packed = gzip.compress(json.dumps({}).encode())
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    service.answer = lambda handler: handler.wfile.write(head % len(packed) + packed)  # type: ignore[assignment, return-value]

    assert "'gzip, gzip'" in str(refusal_of(service.url))
