"""Durations on the command line: 10m, 12h, 90d, 2w, or ISO 8601 as the manager takes it: PT10M."""

from __future__ import annotations

from typing import Any

import rich_click as click

from cli.moments import SHORT_FORM
from core.durations import duration_ms
from core.errors import InvalidInputError

_ISO = {"s": "PT{}S", "m": "PT{}M", "h": "PT{}H", "d": "P{}D", "w": "P{}W"}


class Duration(click.ParamType[str]):
    """A duration of fixed length; the value is ISO 8601."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the duration that *value* names."""
        text = str(value)
        if short := SHORT_FORM.fullmatch(text):
            text = _ISO[short[2]].format(short[1])
        try:
            duration_ms(text)
        except InvalidInputError as error:
            self.fail(f"{error} 90d and 12h are taken too.", param, ctx)
        return text
