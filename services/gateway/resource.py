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

from core import scopes
from core.errors import UnavailableError
from core.gateway_settings import GatewaySettings, LimitMode
from services.gateway import bodies
from services.gateway.assets import is_page_request, serve_page
from services.gateway.executor import GatewayExecutor, PreparedOperation
from services.gateway.media import CONTENT_TYPES, GRAPHQL_RESPONSE, JSON, body_type, preferred
from services.gateway.mutation_threads import MutationThreads
from services.gateway.positions import GatewayPositions
from services.gateway.registered_documents import RegisteredDocuments
from services.gateway.requests import PARAMETERS, Asked, GraphQLRequest, Refusal, from_body, from_parameters
from services.mirrors.freshness import POSITION_HEADER
from services.security import require

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
    positions: tuple[str, ...] = ()
    """Up to where the operation has written, a token for each topic."""


_Mutation = Callable[[], _Reply]
"""Executes a mutation when it is called."""


@dataclass(frozen=True, slots=True)
class _Client:
    """What all operations of one HTTP request share."""

    req: Request
    resp: Response
    gateway: str
    media_type: str
    wants_cost: bool


class GraphQLResource:
    """Answers `GET` and `POST` of `/gateway/{name}/graphql`, and shows GraphiQL to browsers.

    Args:
        executors: Returns the executor of a gateway by its name, and raises `NotFoundError` for an unknown one.
            It is called in a thread, since it may have to build one.
        settings: How requests are taken.
        positions: Waits for the writes that an operation has to include; without it nothing is waited for.
        known: Returns the executor of a gateway if that takes no time, else `None`.
        threads: Operations that are executed at the same time; the event loop stays free meanwhile.
        max_waiting: Operations in execution or waiting at most.

    Attributes:
        registered: Finds registered documents.
        reports_all: Whether every answer tells what the operation costs.

    Raises:
        SettingsError: The registered documents cannot be read.
    """

    def __init__(
        self,
        executors: Callable[[str], GatewayExecutor],
        settings: GatewaySettings | None = None,
        positions: GatewayPositions | None = None,
        *,
        known: Callable[[str], GatewayExecutor | None] = lambda _: None,
        threads: int = DEFAULT_THREADS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._executors = executors
        self._settings = settings or GatewaySettings()
        self.registered = RegisteredDocuments.from_settings(self._settings)
        self._positions = positions
        self._known = known
        self._mutations = MutationThreads()
        self.reports_all = self._settings.limits.mode is LimitMode.MEASURE
        self._max_waiting = max_waiting
        self._waiting = 0
        # Its threads start with the first operation, so that a resource may be made before a fork.
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="graphql")

    def close(self) -> None:
        """End the threads, after the operations that are being executed."""
        self._pool.shutdown(cancel_futures=True)
        self._mutations.close()

    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Execute the query in the parameters; a browser that brings none gets the GraphiQL page.

        Raises:
            NotFoundError: There is no such gateway.
            UnavailableError: Too many operations wait, or what the answer has to include is not there in time.
        """
        if is_page_request(req):
            serve_page(resp)
        else:
            await self._answer(req, resp, name, from_parameters(_parameters(req)))

    async def on_post(self, req: Request, resp: Response, name: str) -> None:
        """Execute what was posted: an operation, or several in an array.

        Raises:
            NotFoundError: There is no such gateway.
            ForbiddenError: An operation writes to a topic that the key may not write to.
            UnavailableError: Too many operations wait, or what the answer has to include is not there in time.
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
        client = _Client(req, resp, name, media_type, req.get_header(COST_HEADER) == "true")
        reply = await self._reply(client, asked)
        resp.status = reply.status
        resp.content_type = CONTENT_TYPES[media_type]
        resp.data = reply.body
        if reply.positions:
            resp.set_header(POSITION_HEADER, ",".join(reply.positions))
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
        positions = tuple(position for reply in replies for position in reply.positions)
        return _Reply(HTTPStatus.OK, b"[" + b",".join(reply.body for reply in replies) + b"]", positions)

    def _may_write(self, client: _Client, request: GraphQLRequest) -> bool:
        """Return whether *request* could be a mutation; the word alone decides, so that nothing is parsed twice."""
        text = self.registered.text(client.gateway, request)
        return isinstance(text, str) and "mutation" in text

    async def _one(self, client: _Client, request: GraphQLRequest) -> _Reply:
        text = self.registered.text(client.gateway, request)
        if isinstance(text, Refusal):
            return _refused(text, client.media_type)
        if self._positions is not None:
            await self._positions.wait(client.req, client.resp, client.gateway, request, text)
        prepared = self._prepared_at_once(client, request, text)
        if prepared is not None and prepared.is_quick:
            return self._executed(client, request, text, prepared)
        done = await self._run(client, partial(self._begin, client, request, text, prepared))
        return done if isinstance(done, _Reply) else await self._mutations.run(done)

    def _prepared_at_once(self, client: _Client, request: GraphQLRequest, text: str) -> PreparedOperation | None:
        """Return the operation, `None` where its gateway or its document has to be made ready first."""
        executor = self._known(client.gateway)
        return None if executor is None else executor.prepare_known(text, request.operation_name, request.variables)

    async def _run(self, client: _Client, work: Callable[[], _Reply | _Mutation]) -> _Reply | _Mutation:
        """Do *work*, which reads mirrors and so blocks, in a thread; after the longest allowed time give it up."""
        loop, timeout_s = asyncio.get_running_loop(), self._settings.timeout_s
        reply: asyncio.Future[_Reply | _Mutation] = loop.create_future()
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
        self,
        loop: asyncio.AbstractEventLoop,
        reply: asyncio.Future[_Reply | _Mutation],
        in_thread: Future[_Reply | _Mutation],
    ) -> None:
        if loop.is_closed():
            self._waiting -= 1
        else:
            loop.call_soon_threadsafe(self._end, reply, in_thread)

    def _end(self, reply: asyncio.Future[_Reply | _Mutation], in_thread: Future[_Reply | _Mutation]) -> None:
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

    def _begin(
        self, client: _Client, request: GraphQLRequest, text: str, prepared: PreparedOperation | None
    ) -> _Reply | _Mutation:
        """Execute a query; return what executes a mutation, which is to be done in another thread."""
        executor = self._executors(client.gateway)
        if prepared is None:
            prepared = executor.prepare(text, request.operation_name, request.variables)
        if not prepared.is_mutation:
            return self._executed(client, request, text, prepared)
        if client.req.method == "GET":
            return _refused(
                Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "A mutation cannot be sent with GET. Send it with POST."),
                client.media_type,
            )
        for topic in sorted(executor.used_topics(text, request.operation_name).written):
            require(client.req, scopes.named(scopes.INGEST, topic))
        return partial(self._executed, client, request, text, prepared)

    def _executed(self, client: _Client, request: GraphQLRequest, text: str, prepared: PreparedOperation) -> _Reply:
        answer = prepared.execute()
        extensions = answer.get("extensions", {})
        if self.reports_all or client.wants_cost or (request.extensions or {}).get(_COST_EXTENSION) is True:
            report = self._executors(client.gateway).report(text, request.operation_name, request.variables)
            if report is not None:
                answer = {**answer, "extensions": {**extensions, "cost": report}}
        is_refused = client.media_type == GRAPHQL_RESPONSE and "data" not in answer
        status = HTTPStatus.BAD_REQUEST if is_refused else HTTPStatus.OK
        return _Reply(status, msgspec.json.encode(answer), tuple(extensions.get("positions", {}).values()))


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


def _give_up(reply: asyncio.Future[_Reply | _Mutation], client: _Client, timeout_s: float) -> None:
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
