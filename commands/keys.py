"""Create and revoke API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from commands.decisions import Caller, Commands, Consulted
from core import keys
from core.aggregates import LogEvent
from core.errors import ConflictError, InvalidInputError, NotFoundError
from core.record import timestamp_of, timestamp_text
from core.scopes import check_scope


class NewKey(NamedTuple):
    """What a caller asks for."""

    name: str
    scopes: Sequence[str]
    digest: str
    """What is stored of the key: see `core.keys.digest_of`."""
    expires_at: str | None = None
    """ISO 8601; `None` for never."""


def create_key(commands: Commands, caller: Caller, new: NewKey) -> int:
    """Declare a key; return the command's position.

    Raises:
        InvalidInputError: The name, a scope, the digest or the expiry cannot be used.
        ConflictError: There is a key of this name already.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """
    keys.check_name(new.name)
    keys.check_digest(new.digest)
    if not new.scopes:
        raise InvalidInputError(f"The key {new.name} would have no scope. Give it at least one.")
    for scope in new.scopes:
        check_scope(scope)
    expires_at = None if new.expires_at is None else _time(new.expires_at)

    def decide(consulted: Consulted) -> list[LogEvent]:
        key = consulted.key(new.name)
        if key.state is not None:
            raise ConflictError(f"The key {new.name} already exists. Revoke it first, or choose another name.")
        created = key.record(
            keys.KeyCreated,
            name=new.name,
            scopes=sorted(set(new.scopes)),
            digest=new.digest,
            expires_at=expires_at,
        )
        return [created]

    position = commands.carry_out(caller, "create_key", f"key/{new.name}", decide)
    assert position is not None, "creating a key always has events"
    return position


def revoke_key(commands: Commands, caller: Caller, name: str) -> int:
    """Withdraw a key; return the command's position.

    Raises:
        NotFoundError: There is no such key.
        UnavailableError: Kafka did not answer or did not acknowledge.
    """

    def decide(consulted: Consulted) -> list[LogEvent]:
        key = consulted.key(name)
        if key.state is None:
            raise NotFoundError(f"There is no key {name}")
        return [key.record(keys.KeyRevoked, name=name)]

    position = commands.carry_out(caller, "revoke_key", f"key/{name}", decide)
    assert position is not None, "revoking a key always has events"
    return position


def _time(text: str) -> str:
    try:
        return timestamp_text(timestamp_of(text))
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"{text!r} is no time at which a key could expire: send ISO 8601.") from error
