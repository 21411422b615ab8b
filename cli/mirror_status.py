"""How mirrors stand on the machine that answers, for `quick mirror describe` and `quick mirror list --status`."""

from __future__ import annotations

from collections.abc import Iterator

from cli.connection import CliError
from cli.mirror_client import Mirrors, Rebuild, Standing

_KIBI = 1024

HEADERS = ("STATE", "LAG", "ENTRIES", "SIZE", "REBUILD")


def row(mirrors: Mirrors, topic: str) -> tuple[str, ...]:
    """Return what `HEADERS` name of one mirror."""
    status = _standing(mirrors, topic)
    if isinstance(status, CliError):
        return ("unknown", "-", "-", "-", str(status))
    state = status.state if status.trouble is None else f"{status.state}, stands still"
    return (state, _lag(status), str(status.entries), _size(status.bytes), _rebuild(status.rebuild))


def lines(mirrors: Mirrors, topic: str) -> Iterator[str]:
    """Yield how one mirror stands, each figure behind its label."""
    status = _standing(mirrors, topic)
    if isinstance(status, CliError):
        yield f"State: unknown ({status})"
        return
    yield f"State: {status.state}"
    if status.trouble is not None:
        yield f"Trouble: {status.trouble}"
    if status.rebuild is not None:
        yield f"Rebuild: {_rebuild(status.rebuild)}"
    yield f"Lag: {_lag(status)}"
    yield f"Entries: {status.entries}"
    yield f"Size: {_size(status.bytes)}"
    for label, count in (("Skipped Records", status.skipped), ("Records Without Index", status.unindexed)):
        if count:
            yield f"{label}: {count}"
    for partition, offset in status.incomplete_before.items():
        yield f"Incomplete: partition {partition} before offset {offset}, which Kafka had removed"


def _standing(mirrors: Mirrors, topic: str) -> Standing | CliError:
    try:
        with mirrors.of(topic) as mirror:
            return mirror.standing()
    except CliError as error:
        return error


def _lag(status: Standing) -> str:
    records, seconds = status.lag.records, status.lag.seconds
    if records is None or seconds is None:
        return "not measured yet"
    return f"{records} records, {seconds:.1f} s"


def _rebuild(rebuild: Rebuild | None) -> str:
    if rebuild is None:
        return "-"
    eta = "" if rebuild.eta_seconds is None else f", about {rebuild.eta_seconds:.0f} s to go"
    return f"{rebuild.share:.0%}, {rebuild.records} records, {_size(rebuild.bytes)}{eta}"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < _KIBI:
            return f"{count:.0f} {unit}"
        count /= _KIBI
    return f"{count:.1f} GiB"
