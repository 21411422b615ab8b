"""A JSON list of any length, cut into its elements while it is read: only one of them is in memory.

The cut looks at brackets, commas and strings only. Whether an element is JSON is for its reader to find out, so that
one bad element does not hide the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

CHUNK_BYTES = 64 * 1024

_BLANK = b" \t\r\n"
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_NEXT_SIGN = re.compile(rb'(?s)(?:[^"\[\]{},]++|' + _STRING + rb")*+([\[\]{},])")
"""The next sign that matters between elements: a comma ends one there."""
_NEXT_BRACKET = re.compile(rb'(?s)(?:[^"\[\]{}]++|' + _STRING + rb")*+([\[\]{}])")
"""The next sign that matters within an element."""


class BrokenListError(ValueError):
    """Raised when the text is no JSON list, so that nothing behind that place can be cut.

    Args:
        element: Number of the element at which it broke, from 1.
    """

    def __init__(self, element: int, what: str) -> None:
        super().__init__(what)
        self.element = element


def elements(read: Callable[[int], bytes], *, max_bytes: int) -> Iterator[bytes]:
    """Yield the text of each element of the JSON list that *read* returns piece by piece.

    Args:
        read: Returns at most so many bytes, none at the end.
        max_bytes: Longest element.

    Raises:
        BrokenListError: It is no list, it does not end, something follows on it, or an element is too long.
    """
    return _Cutter(read, max_bytes).elements()


class _Cutter:
    def __init__(self, read: Callable[[int], bytes], max_bytes: int) -> None:
        self._read = read
        self._max_bytes = max_bytes
        self._text = b""
        self._start = 0
        """Where the element begins."""
        self._at = 0
        """Where its next sign is looked for."""
        self._number = 0

    def elements(self) -> Iterator[bytes]:
        self._open()
        sign = b","
        while sign == b",":
            self._number += 1
            element, sign = self._next()
            if element:
                yield element
            elif sign == b"," or self._number > 1:
                raise BrokenListError(self._number, "There is nothing between two commas, or behind the last one.")
        self._close()

    def _open(self) -> None:
        self._skip_blanks()
        if not self._text.startswith(b"[", self._at):
            raise BrokenListError(1, "It is no JSON list: it does not begin with [.")
        self._at += 1
        self._start = self._at

    def _close(self) -> None:
        self._skip_blanks()
        if self._at < len(self._text):
            raise BrokenListError(self._number + 1, "Something follows on the end of the list.")

    def _next(self) -> tuple[bytes, bytes]:
        """Return the next element and the sign that ends it."""
        depth = 0
        while True:
            sign = self._next_sign(_NEXT_BRACKET if depth else _NEXT_SIGN)
            if sign in b"[{":
                depth += 1
            elif depth:
                depth -= 1
            elif sign == b"}":
                raise BrokenListError(self._number, "There is a } without its {.")
            else:
                element = self._text[self._start : self._at - 1].strip(_BLANK)
                self._start = self._at
                return element, sign

    def _next_sign(self, pattern: re.Pattern[bytes]) -> bytes:
        """Return the next sign that *pattern* looks for, and move behind it."""
        while (found := pattern.match(self._text, self._at)) is None:
            if not self._grow():
                raise BrokenListError(self._number, "The text ends before the list does.")
        self._at = found.end()
        return found.group(1)

    def _grow(self) -> bool:
        """Read on, and drop what is before the element; return whether there was more.

        What has no sign yet is looked through again each time: the longer it is, the more is read at once.
        """
        size = len(self._text) - self._start
        if size > self._max_bytes:
            raise BrokenListError(
                self._number, f"It is longer than {self._max_bytes:,} bytes, or one of its strings does not end."
            )
        piece = self._read(max(CHUNK_BYTES, size))
        self._text = self._text[self._start :] + piece
        self._at -= self._start
        self._start = 0
        return bool(piece)

    def _skip_blanks(self) -> None:
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            self._start = self._at
            if self._at < len(self._text) or not self._grow():
                return
