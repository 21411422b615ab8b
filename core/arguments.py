"""Arguments of an application's container: `--<key>=<value>` for each, after those that Quick sets itself."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

from core.errors import InvalidInputError

MAX_BYTES: Final = 100_000
"""All arguments together, in UTF-8: Linux takes one of 131,071 bytes, and Kubernetes an object of 1.5 MiB."""

RESERVED: Final = frozenset({"brokers", "schema-registry-url", "clean-up", "delete-output"})
"""What Quick tells an application itself: where Kafka and the schemas are, and when it is to clean up."""

_SHOWN = 60
"""Characters that are shown of what is refused."""

_UNPRINTABLE = {"Cc", "Cs"}
"""Unicode's control characters, and halves of characters, which nothing can be written with."""


def flag(key: str) -> str:
    """Return *key* as the option that it is: with `--` in front, which it may have already."""
    return f"--{_bare(key)}"


def check_arguments(arguments: Mapping[str, str]) -> None:
    """Refuse arguments that the container would not get as they were meant.

    Raises:
        InvalidInputError: Says which one cannot be used, and why.
    """
    if sum(_size(key) + _size(value) for key, value in arguments.items()) > MAX_BYTES:
        raise InvalidInputError(
            f"The arguments are longer than {MAX_BYTES} bytes together. Put what is long into a file of the image, or"
            " into a topic."
        )
    seen: set[str] = set()
    for key, value in arguments.items():
        _check_key(key)
        _check_value(key, value)
        if _bare(key) in seen:
            raise InvalidInputError(f"The argument {_shown(key)} is given twice, with -- and without. Give it once.")
        seen.add(_bare(key))


def _check_key(key: str) -> None:
    bare = _bare(key)
    if not bare or bare.startswith("-") or "=" in bare or any(map(str.isspace, bare)) or _has_unprintable(bare):
        raise InvalidInputError(
            f"The argument {_shown(key)} cannot be used: it would be no option of its own. Send a name without '=',"
            " blanks and control characters, with -- in front or nothing: input-topics."
        )
    if bare in RESERVED:
        raise InvalidInputError(
            f"The argument {_shown(key)} is one that Quick sets itself. Leave it out; these are set:"
            f" {', '.join(sorted(RESERVED))}."
        )


def _check_value(key: str, value: str) -> None:
    if _has_unprintable(value):
        raise InvalidInputError(
            f"The value of the argument {_shown(key)} has control characters, as a line break is one. Leave them out."
        )


def _bare(key: str) -> str:
    return key.removeprefix("--")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _has_unprintable(text: str) -> bool:
    return any(unicodedata.category(character) in _UNPRINTABLE for character in text)


def _shown(key: str) -> str:
    return repr(key[:_SHOWN])
