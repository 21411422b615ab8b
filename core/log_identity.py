"""Whether an index belongs to the log that the topic holds now; one that does not is set aside."""

from __future__ import annotations

import fcntl
import logging
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
    found = topic.identity()
    if found is None:
        raise LogIdentityError(f"The log topic {topic.name} was deleted. Restore it, or start with a new data folder.")
    if found != identity:
        raise LogIdentityError(
            f"The log topic {topic.name} is another one now (cluster {found.cluster_id}, topic {found.topic_id}"
            f" instead of {identity.cluster_id}, {identity.topic_id}). Restart to build everything from it."
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


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
