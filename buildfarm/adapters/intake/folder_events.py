"""Events of a folder, from inotify(7) through watchdog."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver

from buildfarm.errors import InputError
from buildfarm.ports.fetching import Heard


class InotifyFolder(FileSystemEventHandler):
    """See :class:`buildfarm.ports.fetching.FolderEvents`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._observer: InotifyObserver | None = None

    def start(self) -> None:
        """Start watching, unless this very folder is watched already."""
        try:
            inode = self._folder.stat().st_ino
        except OSError as error:
            self.stop()  # a folder that is made again may get the same inode
            raise InputError(
                f"{self._folder}: {error.strerror}",
                hint="make the folder, or take it out of the target",
            ) from error
        if (
            self._observer is not None
            and _is_watched(inode)
            and all(one.is_alive() for one in self._observer.emitters)
        ):
            return
        self.stop()
        observer = InotifyObserver()
        kinds: list[type[FileSystemEvent]] = [
            FileClosedEvent,
            FileCreatedEvent,
            FileModifiedEvent,
            FileMovedEvent,
        ]
        try:
            observer.schedule(
                self,
                str(self._folder),
                recursive=True,
                event_filter=[*kinds, DirCreatedEvent, DirMovedEvent],
            )
            observer.start()
        except OSError as error:
            raise InputError(
                f"{self._folder} cannot be watched: {error}", hint="see fs.inotify.max_user_watches"
            ) from error
        self._observer = observer

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Queue an event.

        A file renamed from outside into the folder is only ``created``: it will not be closed.
        """
        if not event.is_directory:
            moved = isinstance(event, FileMovedEvent)
            path = Path(os.fsdecode(event.dest_path if moved else event.src_path))
            self._heard.put(
                Heard(
                    path=path,
                    settled=moved or isinstance(event, FileClosedEvent | FileCreatedEvent),
                )
            )

    def wait(self, seconds: float) -> list[Heard]:
        """Return all events so far; wait for the first, at most ``seconds``."""
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._heard.get(timeout=seconds))
            while True:
                found.append(self._heard.get_nowait())
        return found

    def stop(self) -> None:
        """End the observer's threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None


def _is_watched(inode: int) -> bool:
    """Check that the kernel watches this inode for us (proc(5), ``fdinfo``).

    It stops when a folder is removed, and may give the inode to the next folder before the
    observer's thread is notified.
    """
    for place in Path("/proc/self/fdinfo").iterdir():
        with contextlib.suppress(OSError):  # another thread has closed the file meanwhile
            text = place.read_text(encoding="ascii")
            if any(
                line.startswith("inotify ") and f" ino:{inode:x} " in line
                for line in text.splitlines()
            ):
                return True
    return False


def has_no_writer(path: Path) -> bool:
    """Check that no process has a file open for writing.

    The kernel grants a read lease only then (fcntl(2), F_SETLEASE). A file system without leases
    (NFS) cannot tell; there the file's size has to be trusted.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # A broken lease would signal SIGIO, which ends the process; SIGURG is ignored.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        os.close(handle)
    return True
