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

from core.errors import UnavailableError
from services.gateway.assets import is_page_request, serve_page
from services.gateway.executor import GatewayExecutor, PreparedOperation
from services.gateway.requests import (
    MAX_BODY_BYTES,
    GraphQLRequest,
    Refusal,
    from_body,
    from_parameters,
    too_long,
)

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


class GraphQLResource:
    """Answers `GET` and `POST` of `/gateway/{name}/graphql`, and shows GraphiQL to browsers.

    Args:
        executors: Returns the executor of a gateway by its name, and raises `NotFoundError` for an unknown one.
            It is called in a thread, since it may have to build one.
        known: Returns the executor of a gateway if that takes no time, else `None`.
        threads: Operations that are executed at the same time; the event loop stays free meanwhile.
        max_waiting: Operations in execution or waiting at most.
    """

    def __init__(
        self,
        executors: Callable[[str], GatewayExecutor],
        *,
        known: Callable[[str], GatewayExecutor | None] = lambda _: None,
        threads: int = DEFAULT_THREADS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._executors = executors
        self._known = known
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
        """Execute the posted operation.

        Raises:
            NotFoundError: There is no such gateway.
            UnavailableError: Too many operations wait.
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
            is_get, tells_refusal = req.method == "GET", media_type == GRAPHQL_RESPONSE
            prepared = self._prepared_at_once(name, request)
            if prepared is not None and prepared.is_quick:
                reply = _executed(prepared, is_get=is_get, tells_refusal=tells_refusal)
            else:
                reply = await self._in_a_thread(
                    partial(self._execute, name, request, prepared, is_get=is_get, tells_refusal=tells_refusal)
                )
        resp.status = reply.status
        resp.content_type = media_type
        resp.data = reply.body
        if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            resp.set_header("Allow", "POST")

    async def _in_a_thread(self, work: Callable[[], _Reply]) -> _Reply:
        if self._waiting >= self._max_waiting:
            raise UnavailableError(
                f"{self._waiting} GraphQL operations are already waiting. Repeat the request in a moment."
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def _prepared_at_once(self, name: str, request: GraphQLRequest) -> PreparedOperation | None:
        """Return the operation, `None` where its gateway or its document has to be made ready first."""
        executor = self._known(name)
        if executor is None:
            return None
        return executor.prepare_known(request.query, request.operation_name, request.variables)

    def _execute(
        self,
        name: str,
        request: GraphQLRequest,
        prepared: PreparedOperation | None,
        *,
        is_get: bool,
        tells_refusal: bool,
    ) -> _Reply:
        if prepared is None:
            prepared = self._executors(name).prepare(request.query, request.operation_name, request.variables)
        return _executed(prepared, is_get=is_get, tells_refusal=tells_refusal)


def _executed(prepared: PreparedOperation, *, is_get: bool, tells_refusal: bool) -> _Reply:
    if is_get and prepared.is_mutation:
        return _refused(
            Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "A mutation cannot be sent with GET. Send it with POST.")
        )
    answer = prepared.execute()
    is_refused = tells_refusal and "data" not in answer
    status = HTTPStatus.BAD_REQUEST if is_refused else HTTPStatus.OK
    return _Reply(status, msgspec.json.encode(answer))


def _refused(refusal: Refusal) -> _Reply:
    return _Reply(refusal.status, msgspec.json.encode({"errors": [{"message": refusal.message}]}))


async def _read(req: Request) -> bytes | None:
    """Return the body of *req*, or `None` when it is longer than allowed."""
    if (req.content_length or 0) > MAX_BODY_BYTES:
        return None
    body = await req.stream.read(MAX_BODY_BYTES + 1)
    return body if len(body) <= MAX_BODY_BYTES else None


def _parameters(req: Request) -> Mapping[str, str]:
    names = ("query", "operationName", "variables")
    return {name: value for name in names if (value := req.get_param(name)) is not None}


def _preferred(accept: str) -> str:
    """Return the media type of the answer that suits the header *accept* best."""
    try:
        return best_match((JSON, GRAPHQL_RESPONSE), accept) or JSON
    except ValueError:
        return JSON  # an unreadable header; whoever sends it gets what most clients want
