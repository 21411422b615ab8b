"""The GraphQL endpoint of a gateway, as GraphQL-over-HTTP describes it.

`application/json` answers 200 also when there are errors, as Quick does. A client that prefers
`application/graphql-response+json` hears 400 when its operation could not be executed at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec
from falcon.asgi import Request, Response

from core.errors import UnavailableError
from core.gateway_settings import GatewaySettings, LimitMode
from services.gateway import bodies
from services.gateway.assets import is_page_request, serve_page
from services.gateway.executor import GatewayExecutor
from services.gateway.media import CONTENT_TYPES, GRAPHQL_RESPONSE, JSON, body_type, preferred
from services.gateway.registered_documents import RegisteredDocuments
from services.gateway.requests import PARAMETERS, Asked, GraphQLRequest, Refusal, from_body, from_parameters

DEFAULT_THREADS: Final = 8
"""Operations that are executed at the same time in one process."""

MAX_WAITING: Final = 512
"""Operations in execution or waiting for a thread; whoever comes then is told to come again."""

COST_HEADER: Final = "Quick-Report-Cost"
"""Request header; `true` asks for what the operation costs, in the extensions of its answer."""

_COST_EXTENSION: Final = "reportCost"

_AS_REFUSED: Final = (HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY)
"""Statuses of refusals in JSON, as Quick has them, that are 400 in the media type of the specification."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """What goes back: an HTTP status and an encoded answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Client:
    """What all operations of one HTTP request share."""

    gateway: str
    media_type: str
    may_write: bool
    wants_cost: bool


class GraphQLResource:
    """Answers `GET` and `POST` of `/gateway/{name}/graphql`, and shows GraphiQL to browsers.

    Args:
        executors: Returns the executor of a gateway by its name, and raises `NotFoundError` for an unknown one.
            It is called in a thread, since it may have to build one.
        settings: How requests are taken.
        threads: Operations that are executed at the same time; the event loop stays free meanwhile.
        max_waiting: Operations in execution or waiting at most.

    Raises:
        SettingsError: The registered documents cannot be read.
    """

    def __init__(
        self,
        executors: Callable[[str], GatewayExecutor],
        settings: GatewaySettings | None = None,
        *,
        threads: int = DEFAULT_THREADS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._executors = executors
        self._settings = settings or GatewaySettings()
        self._registered = RegisteredDocuments.from_settings(self._settings)
        self._reports_all = self._settings.limits.mode is LimitMode.MEASURE
        self._max_waiting = max_waiting
        self._waiting = 0
        # Its threads start with the first operation, so that a resource may be made before a fork.
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="graphql")

    def close(self) -> None:
        """End the threads, after the operations that are being executed."""
        self._pool.shutdown(cancel_futures=True)

    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Execute the query in the parameters; a browser that brings none gets the GraphiQL page.

        Raises:
            NotFoundError: There is no such gateway.
            UnavailableError: Too many operations wait.
        """
        if is_page_request(req):
            serve_page(resp)
        else:
            await self._answer(req, resp, name, from_parameters(_parameters(req)))

    async def on_post(self, req: Request, resp: Response, name: str) -> None:
        """Execute what was posted: an operation, or several in an array.

        Raises:
            NotFoundError: There is no such gateway.
            UnavailableError: Too many operations wait.
        """
        body = await bodies.read(req)
        if not isinstance(body, Refusal):
            await self._answer(req, resp, name, from_body(body_type(req.content_type), body, _parameters(req)))
            return
        await self._answer(req, resp, name, body)
        if body.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            resp.set_header("Accept-Encoding", "gzip")

    async def _answer(self, req: Request, resp: Response, name: str, asked: Asked) -> None:
        media_type = preferred(req.get_header("Accept"))
        if media_type is None:
            media_type, asked = JSON, _not_acceptable()
        client = _Client(name, media_type, req.method != "GET", req.get_header(COST_HEADER) == "true")
        reply = await self._reply(client, asked)
        resp.status = reply.status
        resp.content_type = CONTENT_TYPES[media_type]
        resp.data = reply.body
        if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            resp.set_header("Allow", "POST")

    async def _reply(self, client: _Client, asked: Asked) -> _Reply:
        if isinstance(asked, Refusal):
            return _refused(asked, client.media_type)
        if isinstance(asked, GraphQLRequest):
            self._refuse_too_many(1)
            return await self._one(client, asked)
        if refusal := self._batch_refusal(asked):
            return _refused(refusal, client.media_type)
        self._refuse_too_many(len(asked))
        return await self._several(client, asked)

    def _batch_refusal(self, requests: Sequence[GraphQLRequest]) -> Refusal | None:
        most = self._settings.max_batch
        if most <= 1:
            return Refusal(400, "An array of operations is not taken here. Send each in a request of its own.")
        if not requests:
            return Refusal(400, f"The array holds no operation. Send 1 to {most}.")
        if len(requests) > most:
            return Refusal(400, f"The array holds {len(requests)} operations, and {most} are taken at once. Split it.")
        return None

    async def _several(self, client: _Client, requests: Sequence[GraphQLRequest]) -> _Reply:
        """Execute *requests*, and answer in their order: all at once unless one of them may write."""
        if any(self._may_write(client, request) for request in requests):
            replies = [await self._one(client, request) for request in requests]
        else:
            replies = await asyncio.gather(*(self._one(client, request) for request in requests))
        return _Reply(HTTPStatus.OK, b"[" + b",".join(reply.body for reply in replies) + b"]")

    def _may_write(self, client: _Client, request: GraphQLRequest) -> bool:
        """Return whether *request* could be a mutation; the word alone decides, so that nothing is parsed twice."""
        text = self._registered.text(client.gateway, request)
        return isinstance(text, str) and "mutation" in text

    async def _one(self, client: _Client, request: GraphQLRequest) -> _Reply:
        text = self._registered.text(client.gateway, request)
        if isinstance(text, Refusal):
            return _refused(text, client.media_type)
        return await self._run(client, partial(self._execute, client, request, text))

    async def _run(self, client: _Client, work: Callable[[], _Reply]) -> _Reply:
        """Do *work*, which reads mirrors and so blocks, in a thread; after the longest allowed time give it up."""
        loop, timeout_s = asyncio.get_running_loop(), self._settings.timeout_s
        reply: asyncio.Future[_Reply] = loop.create_future()
        self._waiting += 1
        in_thread = self._pool.submit(work)
        # A place is free when the thread is, and not when nobody waits any longer.
        in_thread.add_done_callback(partial(self._end_in_loop, loop, reply))
        timer = loop.call_later(timeout_s, _give_up, reply, client, timeout_s) if timeout_s else None
        try:
            return await reply
        finally:
            if timer is not None:
                timer.cancel()
            in_thread.cancel()  # It may still wait for a thread, and nobody for it.

    def _end_in_loop(
        self, loop: asyncio.AbstractEventLoop, reply: asyncio.Future[_Reply], in_thread: Future[_Reply]
    ) -> None:
        if loop.is_closed():
            self._waiting -= 1
        else:
            loop.call_soon_threadsafe(self._end, reply, in_thread)

    def _end(self, reply: asyncio.Future[_Reply], in_thread: Future[_Reply]) -> None:
        self._waiting -= 1
        if reply.done():
            return
        if in_thread.cancelled():
            reply.cancel()
        elif (error := in_thread.exception()) is not None:
            reply.set_exception(error)
        else:
            reply.set_result(in_thread.result())

    def _refuse_too_many(self, new: int) -> None:
        if self._waiting + new > self._max_waiting:
            raise UnavailableError(
                f"{self._waiting} GraphQL operations are already waiting. Repeat the request in a moment."
            )

    def _execute(self, client: _Client, request: GraphQLRequest, text: str) -> _Reply:
        executor = self._executors(client.gateway)
        if not client.may_write and executor.is_mutation(text, request.operation_name):
            return _refused(
                Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "A mutation cannot be sent with GET. Send it with POST."),
                client.media_type,
            )
        answer = executor.execute(text, request.operation_name, request.variables)
        if self._reports_all or client.wants_cost or (request.extensions or {}).get(_COST_EXTENSION) is True:
            report = executor.report(text, request.operation_name, request.variables)
            if report is not None:
                answer = {**answer, "extensions": {**answer.get("extensions", {}), "cost": report}}
        is_refused = client.media_type == GRAPHQL_RESPONSE and "data" not in answer
        return _Reply(HTTPStatus.BAD_REQUEST if is_refused else HTTPStatus.OK, msgspec.json.encode(answer))


def _refused(refusal: Refusal, media_type: str) -> _Reply:
    status = refusal.status
    if media_type == GRAPHQL_RESPONSE and status in _AS_REFUSED:
        status = HTTPStatus.BAD_REQUEST
    error: dict[str, Any] = {"message": refusal.message}
    if refusal.code is not None:
        error["extensions"] = {"code": refusal.code}
    return _Reply(status, msgspec.json.encode({"errors": [error]}))


def _not_acceptable() -> Refusal:
    return Refusal(
        HTTPStatus.NOT_ACCEPTABLE,
        f"No media type of the header Accept can be answered with. Accept {GRAPHQL_RESPONSE} or {JSON}.",
    )


def _give_up(reply: asyncio.Future[_Reply], client: _Client, timeout_s: float) -> None:
    if not reply.done():
        reply.set_result(_refused(_took_too_long(timeout_s), client.media_type))


def _took_too_long(timeout_s: float) -> Refusal:
    return Refusal(
        HTTPStatus.GATEWAY_TIMEOUT,
        f"The operation took longer than {timeout_s:g} s and is no longer waited for; what it writes may still be "
        "written. Ask for less at once.",
        "TIMEOUT",
    )


def _parameters(req: Request) -> Mapping[str, str]:
    return {name: value for name in PARAMETERS if (value := req.get_param(name)) is not None}
