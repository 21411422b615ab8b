"""Figures in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Gauge(NamedTuple):
    """A figure that goes up and down."""

    name: str
    help: str
    value: int


def text_of(gauges: Iterable[Gauge]) -> str:
    """Return *gauges* as they are scraped."""
    return "".join(
        f"# HELP {gauge.name} {gauge.help}\n# TYPE {gauge.name} gauge\n{gauge.name} {gauge.value}\n" for gauge in gauges
    )
