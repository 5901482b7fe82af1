"""What only leases in object storage have: a holder that does not know what arrived of its own writes."""

import time

import msgspec
import pytest

from components.store.bucket import open_bucket
from components.store.leases import Lease, hold
from components.store.store import StoreError


def test_a_holder_whose_write_arrived_without_an_answer_keeps_its_lease(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, reader = open_bucket(s3), open_bucket(s3)
    put, written = bucket.put, []

    def put_and_lost(key: str, data: bytes, seen: str | None, *, unique: bool = False) -> str:
        version = put(key, data, seen, unique=unique)
        written.append(version)
        if len(written) == 2:
            raise StoreError("the answer was lost")
        return version

    def state() -> Lease:
        found = reader.get("leases/runs/w")
        assert found is not None
        return msgspec.json.decode(found.data, type=Lease)

    monkeypatch.setattr(bucket, "put", put_and_lost)
    with hold(bucket, "leases/runs/w", "the first", seconds=0.6):
        deadline = time.monotonic() + 60
        while state().beat < 3:
            assert time.monotonic() < deadline, "it is renewed no longer"
            time.sleep(0.05)
    assert state().token == ""
