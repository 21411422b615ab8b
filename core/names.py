"""Names of what Quick declares, and names of what it finds in Kubernetes."""

from __future__ import annotations

import re

from core.errors import InvalidNameError

_NAME = re.compile(r"[a-z0-9.-]{1,253}")

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX_SUBDOMAIN = 253

_SHOWN = 260
"""Characters of a refused name that are shown: enough to see that it is too long."""


def check_name(noun: str, name: str) -> None:
    """Refuse a name that cannot be part of a path and of the names of Kubernetes objects.

    Args:
        noun: What is to have it, `Gateway`.
        name: The name.

    Raises:
        InvalidNameError: Says which rule *name* breaks.
    """
    if not _NAME.fullmatch(name) or name.isdigit() or name.startswith("-") or name.endswith("-") or name in {".", ".."}:
        raise InvalidNameError(
            f'{noun} name "{name[:_SHOWN]}" is invalid: it takes 1 to 253 of the characters a-z, 0-9, "-" and ".",'
            ' not only digits, and no "-" at either end.'
        )


def check_secret_name(name: str) -> None:
    """Refuse what cannot be the name of a Secret in Kubernetes.

    Raises:
        InvalidNameError: Says which rule *name* breaks.
    """
    if len(name) > _MAX_SUBDOMAIN or not _SUBDOMAIN.fullmatch(name):
        raise InvalidNameError(
            f'Image pull secret "{name[:_SHOWN]}" is invalid: it takes 1 to 253 of the characters a-z, 0-9, "-" and'
            ' ".", and a letter or digit at both ends and beside each ".". Name a Secret of the namespace.'
        )
