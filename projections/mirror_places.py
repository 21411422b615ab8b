"""Where the copies of one topic lie: the one that answers, and the one that is built to take its place.

    <mirrors>/<topic ID>/live → <a name>    what readers open
    <mirrors>/<topic ID>/next → <a name>    what is being built, where there is such a one
    <mirrors>/<topic ID>/<a name>/          one store

Each copy has a name that was never used before. So readers open the new one while they still read in the old one, and
putting it in its place is one rename.
"""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

_LIVE: Final = "live"
_NEXT: Final = "next"
_ASIDE: Final = "unusable-"


class MirrorPlace:
    """The folder of all copies of one topic, for the process that writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def live(self) -> Path | None:
        """Return the copy that answers, `None` when there is none."""
        return self._target(_LIVE)

    def next(self) -> Path | None:
        """Return the copy that is being built beside, `None` when there is none."""
        return self._target(_NEXT)

    def begin_live(self) -> Path:
        """Return the place of a first copy, which answers as soon as it is ready."""
        return self._begin(_LIVE)

    def begin_next(self) -> Path:
        """Return the place of a copy to be built beside; one that was begun before is given up."""
        self.drop_next()
        return self._begin(_NEXT)

    def promote(self) -> None:
        """Let the copy that was built beside answer, and remove the other; who reads in that one can read on."""
        old = self.live()
        (self.folder / _NEXT).replace(self.folder / _LIVE)
        if old is not None:
            shutil.rmtree(old)

    def drop_next(self) -> None:
        """Give up the copy that is being built."""
        target = self.next()
        (self.folder / _NEXT).unlink(missing_ok=True)
        if target is not None:
            shutil.rmtree(target)

    def set_aside(self) -> Path:
        """Take the copy that answered out of the way, for somebody to look at; only the last such one is kept."""
        live = self.live()
        assert live is not None, "it was opened"
        for earlier in self.folder.glob(f"{_ASIDE}*"):
            shutil.rmtree(earlier)
        aside = self.folder / f"{_ASIDE}{int(time.time())}"
        live.rename(aside)
        (self.folder / _LIVE).unlink()
        return aside

    def tidy(self) -> None:
        """Remove what a process that was killed has left behind."""
        if not self.folder.exists():
            return
        used = {self.live(), self.next()}
        for found in self.folder.iterdir():
            if found.is_symlink():
                if not found.exists():
                    found.unlink()
            elif found not in used and not found.name.startswith(_ASIDE):
                logger.info("removing %s, which nothing uses", found)
                shutil.rmtree(found) if found.is_dir() else found.unlink()

    def remove(self) -> None:
        """Remove all copies."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self, role: str) -> Path:
        name = uuid.uuid4().hex
        (self.folder / name).mkdir(parents=True)
        fresh = self.folder / f"{role}-{name}"
        fresh.symlink_to(name)
        fresh.replace(self.folder / role)
        return self.folder / name

    def _target(self, role: str) -> Path | None:
        try:
            target = self.folder / (self.folder / role).readlink()
        except FileNotFoundError:
            return None
        return target if target.is_dir() else None
