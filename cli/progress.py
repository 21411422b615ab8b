"""A progress bar on a terminal, and nothing anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cli.record_files import Source


@contextmanager
def progress_bar(source: Source, *, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how far *source* is read; yield what is to be told how many records are done."""
    with _bar(source.size, lambda _: source.bytes_read, is_quiet=is_quiet) as advance:
        yield advance


@contextmanager
def count_progress(total: int, *, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how many of about *total* records are done; yield what is to be told of it."""
    with _bar(total, lambda records: records, is_quiet=is_quiet) as advance:
        yield advance


@contextmanager
def _bar(total: int | None, completed: Callable[[int], int], *, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    if is_quiet or not sys.stderr.isatty():
        yield lambda records: None
        return
    from rich.console import Console  # noqa: PLC0415 - what only a terminal needs
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.fields[records]:,} records"),
        BarColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn() if total is None else TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, records=0, rate=0.0)

        def advance(records: int) -> None:
            rate = records / max(time.monotonic() - began, 0.001)
            bar.update(task, completed=completed(records), records=records, rate=rate)

        yield advance
