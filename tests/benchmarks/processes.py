"""What a piece of work needs, in a process that does nothing else."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def in_a_process(work: Callable[..., T], *arguments: object) -> T:
    """Run *work* in a fresh process, as a projector is one: no heap of the other runs to look after."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def anonymous_mb(pid: int | None = None) -> float:
    """Return the memory of a process that is no mapped file; of this one, unless another is named."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid or 'self'}/status").read_text())
    assert found is not None, "Linux tells it"
    return int(found[1]) / 1024
