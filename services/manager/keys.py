"""`/manager/key…`: API keys over REST."""

from __future__ import annotations

from functools import partial

import falcon.asgi
import msgspec

from commands import keys
from commands.keys import NewKey
from core.keys import Key
from projections.registry import Row
from services.manager.caller import caller_of
from services.manager.effects import answer_when_in_registry
from services.request_body import read_struct
from services.worker import Worker


class NewKeyBody(msgspec.Struct, frozen=True, rename="camel"):
    """A key that is to be created. Its holder makes it, and sends the digest alone."""

    scopes: list[str]
    digest: str
    expires_at: str | None = None


class KeyBody(msgspec.Struct, frozen=True, rename="camel"):
    """A key as the manager shows it: nothing that opens anything."""

    name: str
    scopes: tuple[str, ...]
    created: int
    """Position of the command that created it."""
    expires_at: str | None


class CreatedKeyBody(msgspec.Struct, frozen=True):
    """A key that was created, with the digest that is recorded: of a repeated command that of the first."""

    name: str
    digest: str


class KeysResource:
    """`/manager/keys`: all keys."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all keys by name; the deployment's own one is not among them."""
        resp.data = msgspec.json.encode([_body(row) for row in self._worker.views.registry.api_keys()])


class KeyResource:
    """`/manager/key/{name}`: one key."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Answer with the key."""
        resp.data = msgspec.json.encode(_body(self._worker.views.registry.api_key(name)))

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Create the key, of which only the digest is sent; answers when the registry shows it."""
        body = await read_struct(req, NewKeyBody)
        worker, caller = self._worker, caller_of(req)
        new = NewKey(name, body.scopes, body.digest, body.expires_at)
        position = await worker.in_thread(partial(keys.create_key, worker.commands, caller, new))
        await answer_when_in_registry(worker, resp, f"Key {name}", position)
        digest = worker.views.registry.api_key(name).state.digest
        resp.data = msgspec.json.encode(CreatedKeyBody(name, digest))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Revoke the key; answers when the registry no longer shows it."""
        worker, caller = self._worker, caller_of(req)
        position = await worker.in_thread(partial(keys.revoke_key, worker.commands, caller, name))
        await answer_when_in_registry(worker, resp, f"The revocation of key {name}", position)


def _body(row: Row[Key]) -> KeyBody:
    key = row.state
    return KeyBody(key.name, key.scopes, row.incarnation, key.expires_at)
