"""The lease: one run at a time on one ledger, and none while a killed run's plugins still finish their work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from antiphon.errors import LedgerBusy, LedgerError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # checked where it is used

FOLLOWER = "antiphon follow"
"""Who holds the lock for days, and steps aside for a while when another asks (`asked_aside`)."""
ASIDE = 60.0
"""Seconds that others wait for a follower to step aside."""
_POLL = 0.05
_LONGEST = 4096


@contextmanager
def hold(path: Path, *, wait: float, who: str) -> Iterator[int]:
    """Hold the lock of the ledger at `path`, the file `<path>.lock`; `who` is the command, for others to read.

    A follower that holds it is asked to step aside, by the file `<path>.lock.wanted`, unless another follower asks.

    Yields a file descriptor. The runner passes it to every plugin it starts (`pass_fds`): the lock is held until the
    last process that has it is gone, so that a killed run keeps others off while its plugins still write. For the
    same reason the lock ends by closing the descriptor and by nothing else.

    Waits up to `wait` seconds, then raises `LedgerBusy`. Raises `LedgerError` if the file cannot be locked at all.
    """
    if fcntl is None:
        raise LedgerError(
            "this system has no file locks of the POSIX kind, so two runs could spoil one ledger",
            hint="run Antiphon on Linux or macOS, or inside WSL or a container",
        )
    lock = path.with_name(f"{path.name}.lock")
    descriptor = _open(lock)
    try:
        _wait(path, lock, descriptor, wait=wait, who=who)
        _write(descriptor, lock, who)
        yield descriptor
    finally:
        os.close(descriptor)


def asked_aside(path: Path) -> bool:
    """Whether somebody waits for the lock of the ledger at `path`."""
    return _wish(path).exists()


def _wish(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock.wanted")


def _wait(path: Path, lock: Path, descriptor: int, *, wait: float, who: str) -> None:
    began, asked = time.monotonic(), False
    try:
        while not _taken(descriptor, lock):
            holder = _read(descriptor)
            if not asked and who != FOLLOWER and holder.get("who") == FOLLOWER:
                asked, wait = True, max(wait, ASIDE)
                _wish(path).touch()
            if time.monotonic() - began >= wait:
                raise _busy(path, holder)
            time.sleep(_POLL)
    finally:
        if asked:
            _wish(path).unlink(missing_ok=True)


def _open(lock: Path) -> int:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unusable(lock, error) from error


def _taken(descriptor: int, lock: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        raise _unusable(lock, error) from error
    return True


def _write(descriptor: int, lock: Path, who: str) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    text = f"pid: {os.getpid()}\nsince: {since}\nwho: {' '.join(who.split())}\n".encode()[:_LONGEST]
    try:
        os.pwrite(descriptor, text, 0)  # one write over the old text: whoever reads meanwhile sees either
        os.ftruncate(descriptor, len(text))
    except OSError as error:
        raise _unusable(lock, error) from error


def _read(descriptor: int) -> dict[str, str]:
    text = os.pread(descriptor, _LONGEST, 0).decode(errors="replace")
    return dict(line.split(": ", 1) for line in text.splitlines()[:3] if ": " in line)


def _busy(path: Path, holder: dict[str, str]) -> LedgerBusy:
    pid, since, who = (holder.get(name, "unknown") for name in ("pid", "since", "who"))
    named = f"{who}, process {pid}, since {since}"
    if pid.isdecimal() and not _alive(int(pid)):
        return LedgerBusy(
            f"the run that held the ledger {path} is gone ({named}), but plugins that it started are still finishing",
            hint="wait until they have ended, then run again",
        )
    return LedgerBusy(f"another run is at work on the ledger {path}: {named}", hint="let it finish, then run again")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it belongs to somebody else
        return True
    return True


def _unusable(lock: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"the ledger cannot be locked by the file {lock}: {error.strerror}",
        hint="keep the ledger on a local disk, in a folder that you may write to",
    )
