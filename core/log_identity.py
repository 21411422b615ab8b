"""Whether an index belongs to the log that the topic holds now; one that does not is set aside."""

from __future__ import annotations

import fcntl
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.boot_mark import discard_untrusted
from core.errors import LogIdentityError
from core.log_index import LogIndex
from core.log_rows import LAYOUT
from core.log_topic import LogIdentity, LogTopic

logger = logging.getLogger(__name__)

_INDEX_NAME = re.compile(r"[\w-]{22}\.[\w-]{22}\.v\d+")
"""The folder name of an index: two UUIDs as Kafka writes them, and the layout."""


def index_path(folder: Path, identity: str) -> Path:
    """Return where the index of a log lies, by the folder name of its identity; another layout lies elsewhere."""
    return folder / f"{identity}.v{LAYOUT}"


def trusted_index(topic: LogTopic, identity: LogIdentity, folder: Path) -> LogIndex:
    """Return the index that belongs to *identity*; one that does not match the topic is set aside.

    The index of another cluster or topic lies in a folder of another name, where it stays untouched.
    """
    path = index_path(folder, identity.folder_name)
    with _exclusive(folder / "open.lock"):  # Two processes that find the same mismatch must not move twice.
        discard_untrusted(path)
        if not path.exists():
            _tell_of_former_logs(topic, identity, folder)
        index = LogIndex(path, topic.name)
        try:
            raise_superseded(index)
            confirm_last_record(topic, index)
        except LogIdentityError as error:
            index.mark_superseded(str(error))
            index.close()
            aside = path.rename(path.with_name(f"{path.name}.superseded-{time.time_ns()}"))
            logger.warning("%s The index was set aside as %s and is built again.", error, aside)
            return LogIndex(path, topic.name)
        except BaseException:
            index.close()
            raise
    return index


def raise_superseded(index: LogIndex) -> None:
    """Raise LogIdentityError when some process has found that this index no longer belongs to the log."""
    if (reason := index.superseded()) is not None:
        raise LogIdentityError(reason)


def confirm_topic(topic: LogTopic, identity: LogIdentity) -> None:
    """Make sure that the topic is still the one of this *identity*.

    Raises:
        LogIdentityError: It was deleted, created again, or is another cluster's.
        KafkaUnavailableError: No broker answered.
    """
    # Nobody but this topic has its ID, so one question is enough as long as all is well.
    if topic.topic_id() != identity.topic_id:
        raise LogIdentityError(_what_happened(topic, identity))


def _what_happened(topic: LogTopic, identity: LogIdentity) -> str:
    cluster_id, topic_id = topic.cluster_id(), topic.topic_id()
    if cluster_id != identity.cluster_id:
        return (
            f"The log topic {topic.name} is served by another cluster now ({cluster_id} instead of"
            f" {identity.cluster_id}). Point to the former cluster again, or restart to build everything from this one."
        )
    if topic_id is None:
        return f"The log topic {topic.name} was deleted. Restore it, or start with a new data folder."
    return (
        f"The log topic {topic.name} was deleted and created again ({topic_id} instead of {identity.topic_id})."
        " Restart to build everything from the new one."
    )


def confirm_last_record(topic: LogTopic, index: LogIndex) -> None:
    """Make sure that the last folded record is still there, and the same.

    Raises:
        LogIdentityError: The topic was truncated or replaced.
        KafkaUnavailableError: It could not be read in time.
    """
    last = index.last_folded()
    if last is not None:
        topic.check_record(*last)


def _tell_of_former_logs(topic: LogTopic, identity: LogIdentity, folder: Path) -> None:
    """Say that the topic is another one than when this data folder was used last, when it is."""
    for former in sorted(folder.iterdir()):
        if _INDEX_NAME.fullmatch(former.name) is None:
            continue
        is_same_cluster = former.name.startswith(LogIdentity(identity.cluster_id, "").folder_name)
        what = "was deleted and created again" if is_same_cluster else "is served by another cluster now"
        logger.warning(
            "The log topic %s %s. Its former index %s stays as it is; a new one is built.", topic.name, what, former
        )


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
