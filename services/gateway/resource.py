"""The GraphQL endpoint of a gateway, as GraphQL-over-HTTP describes it.

`application/json` answers 200 also when there are errors, as Quick does. A client that prefers
`application/graphql-response+json` hears 400 when its operation could not be executed at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec
from falcon.asgi import Request, Response
from falcon.util.mediatypes import best_match

from core import scopes
from core.errors import UnavailableError
from services.gateway.assets import is_page_request, serve_page
from services.gateway.executor import GatewayExecutor
from services.gateway.mutation_threads import MutationThreads
from services.gateway.positions import GatewayPositions
from services.gateway.requests import (
    MAX_BODY_BYTES,
    GraphQLRequest,
    Refusal,
    from_body,
    from_parameters,
    too_long,
)
from services.mirrors.freshness import POSITION_HEADER
from services.security import require

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"

DEFAULT_THREADS: Final = 8
"""Operations that are executed at the same time in one process."""

MAX_WAITING: Final = 512
"""Operations in execution or waiting for a thread; whoever comes then is told to come again."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """What goes back: an HTTP status and an encoded answer."""

    status: int
    body: bytes
    positions: tuple[str, ...] = ()
    """Up to where the operation has written, a token for each topic."""


_Mutation = Callable[[], _Reply]
"""Executes a mutation when it is called."""


class GraphQLResource:
    """Answers `GET` and `POST` of `/gateway/{name}/graphql`, and shows GraphiQL to browsers.

    Args:
        executors: Returns the executor of a gateway by its name, and raises `NotFoundError` for an unknown one.
            It is called in a thread, since it may have to build one.
        positions: Waits for the writes that an operation has to include; without it nothing is waited for.
        threads: Operations that are executed at the same time; the event loop stays free meanwhile.
        max_waiting: Operations in execution or waiting at most.
    """

    def __init__(
        self,
        executors: Callable[[str], GatewayExecutor],
        positions: GatewayPositions | None = None,
        *,
        threads: int = DEFAULT_THREADS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._executors = executors
        self._positions = positions
        self._mutations = MutationThreads()
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
        """Execute the posted operation.

        Raises:
            NotFoundError: There is no such gateway.
            ForbiddenError: The operation writes to a topic that the key may not write to.
            UnavailableError: Too many operations wait, or what the answer has to include is not there in time.
        """
        media_type = (req.content_type or "").partition(";")[0].strip().lower()
        body = await _read(req)
        request = too_long() if body is None else from_body(media_type, body, _parameters(req))
        await self._answer(req, resp, name, request)

    async def _answer(self, req: Request, resp: Response, name: str, request: GraphQLRequest | Refusal) -> None:
        media_type = _preferred(req.accept)
        if isinstance(request, Refusal):
            reply = _refused(request)
        else:
            if self._positions is not None:
                await self._positions.wait(req, resp, name, request)
            done = await self._in_a_thread(
                partial(self._begin, req, name, request, tells_refusal=media_type == GRAPHQL_RESPONSE)
            )
            reply = done if isinstance(done, _Reply) else await self._mutations.run(done)
        resp.status = reply.status
        resp.content_type = media_type
        resp.data = reply.body
        if reply.positions:
            resp.set_header(POSITION_HEADER, ",".join(reply.positions))
        if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            resp.set_header("Allow", "POST")

    async def _in_a_thread(self, work: Callable[[], _Reply | _Mutation]) -> _Reply | _Mutation:
        if self._waiting >= self._max_waiting:
            raise UnavailableError(
                f"{self._waiting} GraphQL operations are already waiting. Repeat the request in a moment."
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def _begin(self, req: Request, name: str, request: GraphQLRequest, *, tells_refusal: bool) -> _Reply | _Mutation:
        """Execute a query; return what executes a mutation, which is to be done in another thread."""
        executor = self._executors(name)
        if not executor.is_mutation(request.query, request.operation_name):
            return _executed(executor, request, tells_refusal=tells_refusal)
        if req.method == "GET":
            return _refused(
                Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "A mutation cannot be sent with GET. Send it with POST.")
            )
        for topic in sorted(executor.used_topics(request.query, request.operation_name).written):
            require(req, scopes.named(scopes.INGEST, topic))
        return partial(_executed, executor, request, tells_refusal=tells_refusal)


def _executed(executor: GatewayExecutor, request: GraphQLRequest, *, tells_refusal: bool) -> _Reply:
    answer = executor.execute(request.query, request.operation_name, request.variables)
    is_refused = tells_refusal and "data" not in answer
    status = HTTPStatus.BAD_REQUEST if is_refused else HTTPStatus.OK
    positions = answer.get("extensions", {}).get("positions", {})
    return _Reply(status, msgspec.json.encode(answer), tuple(positions.values()))


def _refused(refusal: Refusal) -> _Reply:
    return _Reply(refusal.status, msgspec.json.encode({"errors": [{"message": refusal.message}]}))


async def _read(req: Request) -> bytes | None:
    """Return the body of *req*, or `None` when it is longer than allowed."""
    if (req.content_length or 0) > MAX_BODY_BYTES:
        return None
    body = await req.stream.read(MAX_BODY_BYTES + 1)
    return body if len(body) <= MAX_BODY_BYTES else None


def _parameters(req: Request) -> Mapping[str, str]:
    names = ("query", "operationName", "variables", "extensions")
    return {name: value for name in names if (value := req.get_param(name)) is not None}


def _preferred(accept: str) -> str:
    """Return the media type of the answer that suits the header *accept* best."""
    try:
        return best_match((JSON, GRAPHQL_RESPONSE), accept) or JSON
    except ValueError:
        return JSON  # an unreadable header; whoever sends it gets what most clients want
