"""The projector is killed again and again in the middle of a fold: its mirror answers meanwhile, and ends up right."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.mirror_traffic import IMPATIENT, Reader, Target, Writer, kill_while_folding, settled
from tests.running import Running, until

KILLS = 20
RECORDS_OF_A_LIFE = 5_000


@pytest.mark.timeout(900)
def test_a_mirror_survives_kills_in_the_middle_of_its_fold(
    new_running: Callable[..., Running], topic_name: str
) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)  # noqa: T201 - shown when the test fails
    running, chance = new_running(program=IMPATIENT), random.Random(seed)
    running.start()
    target = Target(running, topic_name)
    writer = Writer(running.kafka, topic_name, random.Random(seed + 1))
    reader = Reader(running, topic_name, writer, random.Random(seed + 2))
    writer.start()
    reader.start()
    for _ in range(KILLS):
        kill_while_folding(target, writer, RECORDS_OF_A_LIFE, chance)
    writer.stop()
    until(settled(target, writer))
    reader.stop()
    assert [] == reader.failures
    assert reader.answers > KILLS
    assert KILLS * RECORDS_OF_A_LIFE == writer.written
    assert writer.content == target.content()
    target.close()
    running.stop()
