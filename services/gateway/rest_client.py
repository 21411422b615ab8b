"""The one client of a worker process for REST services: who is called, how often, how long, and how much is read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpcore

from core.errors import BusyError, RestServiceError, UnavailableError
from core.rest_settings import RestSettings
from services.gateway import rest_bodies
from services.gateway.rest_bodies import BodyError, BodyTooLongError
from services.gateway.rest_network import (
    AddressRefusedError,
    CheckedNetwork,
    HostUnknownError,
    Resolve,
    UntrustedError,
    resolve,
    time_limit,
)
from services.gateway.rest_requests import JSON_BODY, RestRequest
from services.gateway.rest_turns import Turns

logger = logging.getLogger(__name__)

MAX_ERROR_BYTES: Final = 4096
"""How much is read of the body of an answer that is no success."""

_KEPT_OPEN_S: Final = 3.0
"""How long an idle connection is kept: less than the 5 s after which many servers close theirs."""


_BROKEN: Final = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """What a service answered."""

    status: int
    media_type: str
    body: bytes
    """Unpacked; of an error only the beginning."""

    @property
    def is_success(self) -> bool:
        """Whether the status says so; a redirect is none, since it is not followed."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class RestClient:
    """Calls REST services. Safe to use from several threads; blocks.

    Nothing is opened before the first call, so that it may be made before a fork. Nothing of one call, such as a
    cookie, has an effect on another; redirects and proxies of the environment are not followed.

    Args:
        settings: Hosts, headers and bounds.
        resolver: How names are looked up.
    """

    def __init__(self, settings: RestSettings, resolver: Resolve = resolve) -> None:
        self._settings = settings
        self._resolver = resolver
        self._turns = Turns(settings.calls_per_host)
        self._lock = threading.Lock()
        self._opened: tuple[httpcore.ConnectionPool, CheckedNetwork] | None = None

    def close(self) -> None:
        """Close the connections; calls that are under way end with an error."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            for part in opened:
                part.close()

    def call(self, request: RestRequest) -> RestAnswer:
        """Send *request* and return the answer, whatever its status.

        Raises:
            RestServiceError: The host may not be called, or the body cannot be read or is too long.
            BusyError: As many calls as may be are under way.
            UnavailableError: The service cannot be reached, or does not answer in time.
        """
        host, port = request.url.host, request.url.port
        if not self._settings.hosts.allows(host, port):
            logger.warning("a gateway may not call %s port %d: it is not among QUICK_REST_HOSTS", host, port)
            raise _refused()
        with self._turns.of(f"{host} {port}"), time_limit(self._settings.total_timeout_s):
            return self._answer(request)

    def _answer(self, request: RestRequest) -> RestAnswer:
        where = f"{request.url.host} port {request.url.port}"
        try:
            return self._exchange(request)
        except AddressRefusedError as error:
            logger.warning("a gateway may not call %s, whose addresses are not public: %s", where, error)
            raise _refused() from error
        except BodyError as error:
            logger.warning("%s %s", where, error)
            raise RestServiceError(f"The REST service {error}. Correct the service, or ask it for less.") from error
        except httpcore.PoolTimeout as error:
            raise BusyError(
                "All connections to REST services are in use. Repeat the request in a moment; "
                "an operator can allow more with QUICK_REST_CONNECTIONS."
            ) from error
        except (HostUnknownError, UntrustedError, *_BROKEN) as error:
            logger.warning("calling %s failed: %r", where, error)
            raise UnavailableError(f"The REST service {_failure(error)}. Try again later.") from error

    def _exchange(self, request: RestRequest) -> RestAnswer:
        settings = self._settings
        url = request.url
        timeouts = {
            "connect": settings.connect_timeout_s,
            "read": settings.read_timeout_s,
            "write": settings.read_timeout_s,
            "pool": settings.connect_timeout_s,
        }
        target = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=request.target)
        with self._pool().stream(
            request.method,
            target,
            headers=self._headers(request),
            content=request.body or None,
            extensions={"timeout": timeouts},
        ) as response:
            headers = _headers_of(response.headers)
            answer = RestAnswer(response.status, headers.get("content-type", ""), b"")
            chunks, encoding = response.iter_stream(), headers.get("content-encoding", "")
            if not answer.is_success:
                return RestAnswer(answer.status, answer.media_type, _begin(chunks, encoding))
            body = rest_bodies.read(chunks, encoding, settings.max_response_bytes)
            return RestAnswer(answer.status, answer.media_type, body)

    def _headers(self, request: RestRequest) -> list[tuple[str, str]]:
        url = request.url
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": rest_bodies.ENCODINGS,
            "User-Agent": "quick-gateway",
        }
        if request.body:
            headers["Content-Type"] = JSON_BODY
        if request.method == "POST":
            headers["Content-Length"] = str(len(request.body))
        configured = self._settings.headers_for(url.host, url.port)
        replaced = {name.lower() for name in configured}
        own = {name: value for name, value in headers.items() if name.lower() not in replaced}
        return [("Host", url.authority), *own.items(), *configured.items()]

    def _pool(self) -> httpcore.ConnectionPool:
        with self._lock:
            if self._opened is None:
                network = CheckedNetwork(self._settings.hosts, self._resolver)
                pool = httpcore.ConnectionPool(
                    ssl_context=httpcore.default_ssl_context(),
                    max_connections=self._settings.connections,
                    keepalive_expiry=_KEPT_OPEN_S,
                    network_backend=network,
                )
                self._opened = (pool, network)
            return self._opened[0]


def _begin(chunks: Iterable[bytes], encoding: str) -> bytes:
    """Return as much of an error's body as is told; one that cannot be read is no further error."""
    try:
        return rest_bodies.read(chunks, encoding, MAX_ERROR_BYTES)
    except BodyTooLongError as error:
        return error.begin
    except (BodyError, *_BROKEN):
        return b""


def _headers_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return *headers* by their names in small letters; those that are there several times as one list."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _refused() -> RestServiceError:
    return RestServiceError(
        "The REST service is at a host that gateways may not call. Name another one in the schema, or let an operator "
        "add the host to QUICK_REST_HOSTS."
    )


def _failure(error: Exception) -> str:
    match error:
        case HostUnknownError():
            return "is at a host that is not known"
        case UntrustedError():
            return "has no TLS that can be trusted"
        case httpcore.ConnectTimeout() | httpcore.ConnectError():
            return "cannot be reached"
        case httpcore.TimeoutException():
            return "did not answer in time"
        case _:
            return "broke off its answer"
