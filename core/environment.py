"""Variables of a process's environment, each parsed once; what is wrong is said with the variable's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from core.errors import SettingsError

T = TypeVar("T")

_CREDENTIALS = re.compile(r"//[^/]*@")


class Environment:
    """Reads one variable after another and names the one that is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def required(self, name: str, parse: Callable[[str], T], meaning: str) -> T:
        """Return the value of a variable that has to be set.

        Raises:
            SettingsError: It is not, or *parse* refuses it.
        """
        text = self._environ.get(name, "")
        if not text:
            raise SettingsError(f"{name} is not set. Set it to {meaning}.")
        return self._parsed(name, text, parse)

    def optional(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the value of a variable, *default* when it is not set or blank.

        Raises:
            SettingsError: *parse* refuses it.
        """
        text = self._environ.get(name, "")
        return self._parsed(name, text, parse) if text else default

    def secret(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the value of a variable that no message may show.

        Raises:
            SettingsError: *parse* refuses it; *parse* does not repeat it either.
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
    """Return a number of seconds, 0 or more."""
    if not 0 <= (number := float(text)) < float("inf"):
        raise ValueError("it takes a number of seconds, 0 or more")
    return number


def some_seconds(text: str) -> float:
    """Return a number of seconds above 0."""
    if (number := seconds(text)) == 0:
        raise ValueError("it takes a number of seconds above 0")
    return number


def yes_or_no(text: str) -> bool:
    """Return whether *text* is `true`; it takes that and `false` in any letter case."""
    if text.lower() not in {"true", "false"}:
        raise ValueError("it takes true or false")
    return text.lower() == "true"


def http_url(text: str) -> str:
    """Return the address of a schema registry, without a slash at its end."""
    if not re.fullmatch(r"https?://\S+", text):
        raise ValueError("it takes the address of a schema registry, such as http://registry:8081")
    return text.rstrip("/")
