"""What happens in a folder, from inotify(7) through watchdog."""

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
        """Listen, unless it does so already to this very folder."""
        try:
            inode = self._folder.stat().st_ino
        except OSError as error:
            self.stop()  # a folder that comes back may get the same inode
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
        """Keep an event. A file renamed in from outside of the folder is only ``created`` here:
        nobody will close it.
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
        """All that happened; sleeps until something does, ``seconds`` at most."""
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
    """Return whether the kernel watches this inode for us (proc(5), ``fdinfo``).

    It stops when a folder is removed, and may give its inode to the next one before the thread that
    listens has heard of it.
    """
    for place in Path("/proc/self/fdinfo").iterdir():
        with contextlib.suppress(OSError):  # a file that another thread has closed since
            told = place.read_text(encoding="ascii")
            if any(
                line.startswith("inotify ") and f" ino:{inode:x} " in line
                for line in told.splitlines()
            ):
                return True
    return False


def nobody_writes(path: Path) -> bool:
    """Return whether no process has a file open for writing: the kernel grants a read lease only
    then (fcntl(2), F_SETLEASE).

    A file system without leases (NFS) cannot say; there the file's size has to be trusted.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(
            handle, fcntl.F_SETSIG, signal.SIGURG
        )  # a lease that is broken says so by SIGIO, which would end us
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        os.close(handle)
    return True
