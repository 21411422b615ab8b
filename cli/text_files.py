"""Files with text on the command line, `-` for stdin: a schema, a query, variables."""

from __future__ import annotations

from typing import Any, TextIO

import rich_click as click


class TextFile(click.File):
    """A file with text; one that cannot be read is a mistake on the command line.

    Args:
        flags: How the option is called in the message, `-f/--file`.
    """

    def __init__(self, flags: str) -> None:
        super().__init__("r", encoding="utf-8", lazy=False)
        self._flags = flags

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open the file."""
        try:
            return super().convert(value, None, ctx)
        except click.BadParameter as error:
            reason = error.message.rpartition(": ")[2]
            raise click.UsageError(f"argument {self._flags}: can't open '{value}': {reason}", ctx) from error


def read_text(file: TextIO, what: str = "schema") -> str:
    """Return what is in *file*.

    Raises:
        click.UsageError: It is not UTF-8.
    """
    try:
        return file.read()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"The {what} in {file.name} is not UTF-8: {error}") from error
