"""Record that the command log has become unsafe, or safe again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from uuid import uuid5

from commands.decisions import Caller, Commands, Consulted
from core import log_safety
from core.aggregates import NAMESPACE, LogEvent, aggregate_id

ACTOR = "quick"
"""The system itself, in the log."""


def note_safety(commands: Commands, source: str, dangers: Sequence[str]) -> int | None:
    """Record *dangers* unless they are what was recorded last; return the position, `None` when nothing was new.

    Many processes find the same at the same time: the command id follows from what was recorded before and what is
    new, so only one of them counts.

    Raises:
        UnavailableError: Kafka did not acknowledge.
        KafkaRefusedError: Kafka takes no records without keys: somebody has switched compaction on.
    """
    stream = commands.stream(aggregate_id(log_safety.NOUN, log_safety.NAME), log_safety.fold)

    def decide(consulted: Consulted) -> list[LogEvent]:
        known = consulted.log_safety()
        before = () if known.state is None else known.state.dangers
        if before == tuple(dangers):
            return []
        return [known.record(log_safety.LogSafetyChanged, name=log_safety.NAME, dangers=list(dangers))]

    command_id = _command_id(commands, f"safety/{stream.version}/{'/'.join(dangers)}")
    caller = Caller(actor=ACTOR, command_id=command_id, source=source, reason="found while the log was in use")
    return commands.carry_out(caller, "note_log_safety", f"{log_safety.NOUN}/{log_safety.NAME}", decide)


def _command_id(commands: Commands, what: str) -> str:
    """Return the id under which *what* is noted: the first of its ids that was not given up in an outage."""
    ids = (str(uuid5(NAMESPACE, f"{what}/{attempt}")) for attempt in itertools.count())
    outcomes = ((command_id, commands.command_log.outcome(command_id)) for command_id in ids)
    return next(command_id for command_id, outcome in outcomes if outcome is None or not outcome.is_voided)
