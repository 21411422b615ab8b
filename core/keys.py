"""API keys as they are declared: who may do what, until when.

The key itself is known to its holder alone. Whoever creates one makes it, `qk_<name>_<secret>`, and sends its SHA-256:
so a repeated command has the same answer, and neither the log nor a server ever holds a key. A plain hash is enough
because the secret is random and long; there is no password to be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from core.aggregates import LogEvent
from core.errors import FoldError, InvalidInputError, InvalidNameError
from core.record import timestamp_of

NOUN = "key"

ADMINISTRATOR = "default"
"""Name of the one key that the deployment sets (`QUICK_APIKEY`); no other key can have it."""

PREFIX = "qk_"

_SECRET_BYTES = 24
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A declared API key."""

    name: str
    scopes: tuple[str, ...]
    digest: str
    """`sha256:` and the hash of the key in hex."""
    expires_at: str | None
    """Time after which it is refused, ISO 8601; `None` for never."""

    def is_expired(self, now_ms: int) -> bool:
        """Return whether the key is no longer valid at *now_ms*, milliseconds since 1970."""
        return self.expires_at is not None and timestamp_of(self.expires_at) <= now_ms

    def is_opened_by(self, secret: str) -> bool:
        """Return whether *secret* is this key, in a time that tells nothing about it."""
        return hmac.compare_digest(digest_of(secret), self.digest)


@dataclass(frozen=True)
class KeyEvent(LogEvent):
    """Something that happened to an API key."""

    noun: ClassVar[str] = NOUN

    name: str


@dataclass(frozen=True)
class KeyCreated(KeyEvent):
    """A key was declared."""

    scopes: list[str]
    digest: str
    expires_at: str | None


@dataclass(frozen=True)
class KeyRevoked(KeyEvent):
    """A key was withdrawn; its name can be given again."""


def fold(key: Key | None, event: LogEvent) -> Key | None:
    """Return *key* after *event*; `None` in means undeclared, `None` out means revoked."""
    match event:
        case KeyCreated() if key is None:
            return Key(name=event.name, scopes=tuple(event.scopes), digest=event.digest, expires_at=event.expires_at)
        case KeyRevoked() if key is not None:
            return None
    raise FoldError(f"{event} does not follow on {key}. The log was written by a program that disagrees with this one.")


def new_secret(name: str) -> str:
    """Return a fresh key for *name*: random, and safe in a header."""
    return f"{PREFIX}{name}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def name_in(secret: str) -> str | None:
    """Return the name that a key says it has, `None` when it is no key of this form."""
    if not secret.startswith(PREFIX):
        return None
    name, separator, _ = secret.removeprefix(PREFIX).partition("_")
    return name if separator and _NAME.fullmatch(name) else None


def digest_of(secret: str) -> str:
    """Return what is stored of a key."""
    return f"sha256:{hashlib.sha256(secret.encode('utf-8', 'surrogateescape')).hexdigest()}"


def check_name(name: str) -> None:
    """Refuse a name that cannot be part of a key.

    Raises:
        InvalidNameError: Says which rule *name* breaks.
    """
    if not _NAME.fullmatch(name):
        raise InvalidNameError(
            f'Key name "{name}" is invalid: it takes 1 to 63 of the characters a-z, 0-9, "-" and ".", and begins and'
            " ends with a letter or digit."
        )
    if name == ADMINISTRATOR:
        raise InvalidNameError(f'Key name "{name}" is invalid: it is the name of the key that the deployment sets.')


def check_digest(digest: str) -> None:
    """Refuse what is no digest of a key.

    Raises:
        InvalidInputError: It has another form.
    """
    if not _DIGEST.fullmatch(digest):
        raise InvalidInputError(
            'The digest of a key is "sha256:" and 64 hexadecimal digits. Make the key qk_<name>_<secret> yourself, and'
            " send the SHA-256 of all of it."
        )
