"""What a Java program's output says about its end."""

from __future__ import annotations

import re

_THROWN = re.compile(r"(?:Caused by: |Exception in thread \"[^\"]*\" )?(?:[\w$]+\.)+[\w$]*(?:Exception|Error): (.+)")
_LOGGED = re.compile(r"\S+ \S+ (?:ERROR|FATAL) (.+?)(?: \([\w.$]+\))?")
_NOTICE = "Picked up "


def cause_of_end(text: str) -> str:
    """Return why the program ended according to its output *text*, as one line without a full stop; "" if it is silent.

    That is the innermost cause of the last exception, in the words of the outermost one that repeats it; else the last
    error that was logged; else the first line, because the virtual machine itself says the reason first.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(_NOTICE)]
    for pattern in (_THROWN, _LOGGED):
        messages = [found.group(1).rstrip(".") for line in lines if (found := pattern.fullmatch(line))]
        if messages:
            return max((message for message in messages if message.endswith(messages[-1])), key=len)
    return lines[0].rstrip(".") if lines else ""
