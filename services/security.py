"""Who may ask for what: an API key in the header `X-API-Key`, and what its scopes cover.

The schema registry also takes it as the password of HTTP Basic, with any user: Confluent's clients can send nothing
else.

The deployment's one key is the administrator `default`. All others are declared in the log and looked up in the
registry at each request, so that a key that was revoked is refused at once.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import falcon
import falcon.asgi

from core import keys, scopes
from core.errors import ForbiddenError, NotFoundError, UnauthorizedError
from projections.registry import RegistryView
from services.schema_registry.answers import is_registry_path

ADMINISTRATOR = keys.ADMINISTRATOR

_OPEN_PATHS = ("/health", "/metrics", "/openapi.json")
"""Health, figures, and the description of the API: the same for everybody who runs this version, it tells no data."""

_GATEWAY_PREFIX = "/gateway/"
_EDITOR_FILE = re.compile(f"{_GATEWAY_PREFIX}[^/]+/graphiql-assets/[^/]*/?")
_ADMIN_NOUNS = {"key", "keys"}

_NOBODY = keys.Key(name="", scopes=(), digest=keys.digest_of(""), expires_at=None)
"""What a key is compared with when there is none of its name, so that the time tells nothing."""


class Holder(NamedTuple):
    """Who has sent a request."""

    actor: str
    """Name of the key."""
    scopes: Sequence[str]
    """What it may do."""


_ADMINISTRATOR: Final = Holder(ADMINISTRATOR, (scopes.ADMIN,))


class ApiKeys:
    """The keys that open this deployment.

    Args:
        api_key: The administrator's key.
        registry: Returns the registry with all other keys, and raises UnavailableError while there is none.
    """

    def __init__(self, api_key: str, registry: Callable[[], RegistryView]) -> None:
        self._api_key = api_key.encode()
        self._registry = registry

    def holder(self, given: str, method: str, path: str) -> Holder:
        """Return who holds the key *given*, which covers a request.

        Raises:
            UnauthorizedError: It is missing, wrong, expired or revoked.
            ForbiddenError: Its scopes do not cover the request.
            UnavailableError: It is not the administrator's, and the registry is not ready.
        """
        if hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._api_key):
            return _ADMINISTRATOR
        key = self._declared(given)
        needed = needed_scope(method, path)
        if needed is not None and not any(scopes.covers(scope, needed) for scope in key.scopes):
            raise ForbiddenError(key.name, needed)
        return Holder(key.name, key.scopes)

    def _declared(self, given: str) -> keys.Key:
        name = keys.name_in(given)
        if name is None:
            raise UnauthorizedError
        try:
            key = self._registry().api_key(name).state
        except NotFoundError:
            key = _NOBODY
        if not key.is_opened_by(given) or key is _NOBODY or key.is_expired(int(time.time() * 1000)):
            raise UnauthorizedError
        return key


class ApiKeyMiddleware:
    """Refuses requests without a key that covers them before anything is looked up: unknown paths need a key too."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Check the key of *req*; note its name as `req.context.actor` and what it may do as `req.context.scopes`.

        Raises:
            UnauthorizedError: It is missing, wrong, expired or revoked.
            ForbiddenError: Its scopes do not cover the request.
            UnavailableError: It is not the administrator's, and the registry is not ready.
        """
        if is_open(req):
            return
        given = req.get_header("X-API-Key") or ""
        if not given and is_registry_path(req.path):
            given = _password(req)
        req.context.actor, req.context.scopes = self._keys.holder(given, req.method, req.path)


def require(req: falcon.asgi.Request, needed: str) -> None:
    """Make sure that the key of *req* has a scope that shows only when the request is read.

    Raises:
        ForbiddenError: It has not; or nobody has checked the key.
    """
    held: Sequence[str] = getattr(req.context, "scopes", ())
    if not any(scopes.covers(scope, needed) for scope in held):
        raise ForbiddenError(getattr(req.context, "actor", "(none)"), needed)


def needed_scope(method: str, path: str) -> str | None:
    """Return the scope that a request needs, `None` when any valid key will do.

    That is so where there is nothing at that path, and where the schema registry is only asked.
    """
    service, *rest = path.strip("/").split("/")
    match service:
        case "manager":
            return scopes.ADMIN if _is_for_administrators(method, rest) else scopes.MANAGE
        case "ingest" if rest:
            return scopes.named(scopes.INGEST, rest[0])
        case "gateway" if rest:
            return scopes.MANAGE if rest[1:] == ["control", "schema"] else scopes.named(scopes.READ, rest[0])
        case "mirror" if rest:
            return scopes.named(scopes.MIRROR, rest[0])
        case "schema-registry" if _changes_schemas(method, rest):
            return scopes.MANAGE
    return None


def is_open(req: falcon.asgi.Request) -> bool:
    """Return whether anybody may send *req*: it shows a page, the health, figures or the API, and no data."""
    if req.path in _OPEN_PATHS:
        return True
    if req.method == "OPTIONS":
        return True  # A browser sends no key with a preflight; the answer tells nothing but the methods.
    if req.method != "GET" or not req.path.startswith(_GATEWAY_PREFIX):
        return False
    return bool(_EDITOR_FILE.fullmatch(req.path)) or (
        req.path.endswith("/graphql") and "query" not in req.params and "text/html" in (req.accept or "")
    )


def _is_for_administrators(method: str, segments: list[str]) -> bool:
    """Return whether a path under /manager gives rights, or mends the log or its views."""
    match segments:
        case [noun, *_] if noun in _ADMIN_NOUNS:
            return True
        case ["log", "quarantine" | "restore", *_] | ["replay", *_]:
            return method != "GET"
    return False


def _changes_schemas(method: str, segments: list[str]) -> bool:
    """Return whether a request under /schema-registry changes something; some that ask are sent with a body."""
    match method, segments:
        case (("GET" | "HEAD"), _):
            return False
        case "POST", ["compatibility", *_] | ["subjects", _]:
            return False
    return True


def _password(req: falcon.asgi.Request) -> str:
    """Return the password that *req* sends by HTTP Basic, or nothing."""
    scheme, _, credentials = (req.get_header("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode("utf-8", "surrogateescape")
    except binascii.Error:
        return ""
    return decoded.partition(":")[2]
