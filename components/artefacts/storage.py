"""Files that are either whole or absent: digests, atomic writes, what is swept of unfinished ones.

Used by the data plane too, so nothing heavier than the standard library and msgspec is imported.
"""

import fcntl
import functools
import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from components.artefacts.errors import HostError


def digest_bytes(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """Return the SHA-256 of a value's JSON with sorted keys: equal values give equal digests."""
    return digest_bytes(msgspec.json.encode(value, order="sorted"))


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scratch_prefix(name: str) -> str:
    """Return how the name of something unfinished begins: hidden, and with the process that is at work on it."""
    return f".{name}.{this_process()}."


def this_process() -> str:
    """Return what names this process among all that there ever were: machine, number, and when it began."""
    return f"{_machine()}-{os.getpid()}-{_started(os.getpid())}"


def is_running(process: str) -> bool:
    """Say whether a process named by ``this_process`` still runs; one of another machine is taken to."""
    machine, _, rest = process.partition("-")
    number, _, started = rest.partition("-")
    if not number.isdigit():
        return False
    return machine != _machine() or _started(int(number)) == started


def sweep(folder: Path, *, below: bool = True) -> tuple[Path, ...]:
    """Delete what processes of this machine left unfinished under a folder when they were killed; return the paths.

    What a process that lives is at work on stays, and so does what another machine wrote into a shared folder. Without
    ``below`` only what lies in the folder itself is looked at, also what is not hidden.
    """
    swept = []
    for path in sorted(folder.rglob(".*") if below else folder.glob("*")):
        found = _OWNED.search(path.name)
        if not found or is_running(found[1]):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        swept.append(path)
    return tuple(swept)


_OWNED = re.compile(r"\.([0-9a-f]{8}-\d+-\w+)\.[^.]*$")


@functools.cache
def _machine() -> str:
    """Return what names the place where a number means one process, also after the host was given another name."""
    try:
        name = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        name = ""
    try:
        # Containers number their processes by themselves.
        numbered = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 -- no file is behind this link
    except OSError:
        numbered = ""
    return digest_bytes(f"{name or platform.node()} {numbered}".encode())[:8]


def _started(pid: int) -> str | None:
    """Return when a process began, None if there is none: a number may be given to another process later."""
    try:
        # The name in brackets may hold anything; of what follows, the 20th is the start in clock ticks since boot.
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        pass
    if Path("/proc/self").exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "unknown"


def write_atomically(path: Path, data: bytes | memoryview) -> Path:
    """Write a file so that a reader sees the old bytes or the new ones, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=scratch_prefix(path.name))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def write_once(path: Path, data: bytes, *, mode: int = 0o644) -> bool:
    """Write a file unless there is one of that name, also if it came a moment ago; say whether it is ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made readable for its owner alone, and given its name when it is whole.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=scratch_prefix(path.name))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        os.link(name, path)
    except FileExistsError:
        return False
    finally:
        Path(name).unlink()
    return True


def take_lock(file: IO[bytes]) -> bool:
    """Lock an open file, which is open for writing, unless somebody else holds it; return whether it is ours now.

    The system lets go of it when the file is closed, also because its holder was killed.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    """Keep others who hold it, too, from a file that is read and then replaced; HostError if they do for too long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A file beside it: the file itself becomes another one when it is replaced.
    with path.with_name(f".{path.stem}.lock").open("ab") as lock:
        deadline = time.monotonic() + seconds
        while not take_lock(lock):
            if time.monotonic() > deadline:
                raise HostError(f"another process has held {path} for {seconds:.0f} s: wait until it ends, or end it")
            time.sleep(0.05)
        yield


def json_document(value: Any) -> bytes:
    """Return a value as the bytes of an indented JSON file."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def write_json(path: Path, value: Any) -> Path:
    """Write a value as indented JSON, atomically."""
    return write_atomically(path, json_document(value))
