"""The rule for names that a user may choose."""

from __future__ import annotations

import re

from cli.connection import CliError

_NAME = re.compile(r"[a-z0-9.-]{1,253}")


def check_name(name: str) -> None:
    """Refuse a name that Kubernetes could not take.

    Raises:
        CliError: Says which characters are allowed.
    """
    if not _NAME.fullmatch(name) or name.isdigit() or name.startswith("-") or name.endswith("-"):
        raise CliError(
            "Invalid name.\n Use only lowercase alphanumeric characters (no more than 253 characters)."
            " '-', or '.' are allowed."
        )
