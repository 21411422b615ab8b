"""Environment variables, read one after another and named when they are wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from core.errors import SettingsError

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_CREDENTIALS = re.compile(r"//[^/]*@")


class Environment:
    """Reads one variable after another and names the one that is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def required(self, name: str, parse: Callable[[str], T], meaning: str) -> T:
        """Return the variable *name*, which is *meaning*.

        Raises:
            SettingsError: It is missing, or *parse* raised ValueError.
        """
        text = self._environ.get(name, "")
        if not text:
            raise SettingsError(f"{name} is not set. Set it to {meaning}.")
        return self._parsed(name, text, parse)

    def optional(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the variable *name*, or *default* where it is missing or empty.

        Raises:
            SettingsError: *parse* raised ValueError.
        """
        text = self._environ.get(name, "")
        return self._parsed(name, text, parse) if text else default

    def secret(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the variable *name*, or *default* where it is missing or empty; no message shows what it holds.

        Raises:
            SettingsError: *parse* raised ValueError.
        """
        try:
            return parse(text) if (text := self._environ.get(name, "")) else default
        except ValueError as error:
            raise SettingsError(f"{name} cannot be used: {error}") from None

    def _parsed(self, name: str, text: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(text)
        except ValueError as error:
            shown = _CREDENTIALS.sub("//***@", text)
            raise SettingsError(f"{name}={shown!r} cannot be used: {error}") from error


def between(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number from *low* to *high*."""

    def parse(text: str) -> int:
        if not low <= (number := int(text)) <= high:
            raise ValueError(f"it takes a whole number from {low} to {high}")
        return number

    return parse


def seconds(text: str) -> float:
    """Read a number of seconds, 0 or more."""
    if not 0 <= (number := float(text)) < float("inf"):
        raise ValueError("it takes a number of seconds, 0 or more")
    return number


def some_seconds(text: str) -> float:
    """Read a number of seconds above 0."""
    if (number := seconds(text)) == 0:
        raise ValueError("it takes a number of seconds above 0")
    return number


def yes_or_no(text: str) -> bool:
    """Read `true` or `false`."""
    if text.lower() not in {"true", "false"}:
        raise ValueError("it takes true or false")
    return text.lower() == "true"


def on_or_off(text: str) -> bool:
    """Read `on` or `off`."""
    if text.lower() not in {"on", "off"}:
        raise ValueError("it takes on or off")
    return text.lower() == "on"


def file_or_folder(text: str) -> Path:
    """Read the path of something that is there."""
    path = Path(text)
    if not path.exists():
        raise ValueError("there is no such file or folder")
    return path


def one_of(kind: type[E]) -> Callable[[str], E]:
    """Return what reads one of the words of *kind*, in any letter case."""

    def parse(text: str) -> E:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError(f"it takes {', '.join(kind)}") from None

    return parse


def http_url(text: str) -> str:
    """Return the address of a schema registry, without a slash at its end."""
    if not re.fullmatch(r"https?://\S+", text):
        raise ValueError("it takes the address of a schema registry, such as http://registry:8081")
    return text.rstrip("/")
