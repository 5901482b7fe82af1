"""Leases in object storage: a document that its holder renews, and that another takes over when it stays as it is.

No two clocks are compared: who waits measures, by its own, for how long the document has not changed. A holder that was
stopped for longer than that and goes on does not know that its lease is gone, so a lease saves work; what must not be
written twice is guarded by the version of the document that is written.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from components.artefacts.errors import HostError
from components.store.bucket import Bucket
from components.store.store import LEASE_SECONDS, ConflictError, Document, StoreError

LOOK_SECONDS = 1.0


class Lease(msgspec.Struct, frozen=True):
    """Who holds it, empty for nobody, and a count that its holder raises for as long as it is at work."""

    token: str
    holder: str
    beat: int = 0
    seconds: float = LEASE_SECONDS


FREE = Lease("", "")


@contextmanager
def hold(
    bucket: Bucket,
    key: str,
    holder: str,
    *,
    seconds: float = LEASE_SECONDS,
    wait_seconds: float | None = None,
    waiting: Callable[[str], None] = lambda holder: None,
) -> Iterator[None]:
    """Hold a lease for the length of the block; HostError if another one holds it for longer than ``wait_seconds``."""
    lease = Lease(uuid.uuid4().hex, holder, seconds=seconds)
    version = _taken(bucket, key, lease, wait_seconds, waiting)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(bucket, key, lease, version, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()


def _taken(bucket: Bucket, key: str, lease: Lease, wait_seconds: float | None, waiting: Callable[[str], None]) -> str:
    """Return the version of the lease once it is ours."""
    began = seen_since = time.monotonic()
    seen: Document | None = None
    told = False
    while True:
        found = bucket.get(key)
        held = FREE if found is None else _decoded(found)
        now = time.monotonic()
        if found != seen:
            seen, seen_since = found, now
        if not held.token or now - seen_since > held.seconds:
            try:
                return bucket.put(key, msgspec.json.encode(lease), found.version if found else None, unique=True)
            except ConflictError:
                continue
        if not told:
            waiting(held.holder)
            told = True
        if wait_seconds is not None and now - began > wait_seconds:
            raise HostError(f"{held.holder} has held {key} in the store for {wait_seconds:.0f} s: wait until it ends")
        time.sleep(min(LOOK_SECONDS, held.seconds / 5))


def _renew(bucket: Bucket, key: str, lease: Lease, version: str, ended: threading.Event) -> None:
    """Say until the end that the holder is at work, then let go; quietly give up a lease that another has taken."""
    beat = 0
    while not ended.wait(lease.seconds / 3):
        beat += 1
        try:
            version = _put(bucket, key, msgspec.structs.replace(lease, beat=beat), lease.token, version)
        except ConflictError:
            return
        except StoreError:
            # Not to be reached for a moment; if it stays so, what is done under the lease will say it.
            continue
    try:
        _put(bucket, key, FREE, lease.token, version)
    except StoreError:
        return


def _put(bucket: Bucket, key: str, state: Lease, token: str, version: str) -> str:
    """Write the state of a lease that is held with a token, return its version; ConflictError if another has it."""
    data = msgspec.json.encode(state)
    try:
        return bucket.put(key, data, version, unique=True)
    except ConflictError:
        # A write before it may have arrived although its answer was an error.
        found = bucket.get(key)
        if found is None or _decoded(found).token != token:
            raise
        return bucket.put(key, data, found.version, unique=True)


def _decoded(found: Document) -> Lease:
    try:
        return msgspec.json.decode(found.data, type=Lease)
    except msgspec.MsgspecError:
        return FREE
