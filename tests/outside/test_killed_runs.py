"""A run on object storage that is killed, wherever: nothing of it is half there, and the next one goes on with it."""

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.outside.places import Place, end, wait_until
from tests.outside.test_pictures import write_marks

pytestmark = pytest.mark.outside


class Bucket:
    """What lies below an address of the stand-in."""

    def __init__(self, address: str) -> None:
        self._bucket, _, self._prefix = address.removeprefix("s3://").partition("/")
        self._client: Any = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])

    def keys(self, below: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._prefix}/{below}"
        )
        return [one["Key"].removeprefix(f"{self._prefix}/") for page in pages for one in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        found: bytes = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{key}")["Body"].read()
        return found

    def checkpoints(self) -> list[str]:
        """Return the checkpoints of trainings that have not ended."""
        entries = [json.loads(self.read(key))["files"] for key in self.keys("entries/training/")]
        return [name for files in entries for name in files if name.endswith(".ckpt")]

    def check(self) -> None:
        """Fail unless every entry has all of its files, each as it was when its digest was taken."""
        blobs = {key: self.read(key) for key in self.keys("blobs/")}
        for key, content in blobs.items():
            assert key == f"blobs/{hashlib.sha256(content).hexdigest()}"
        for entry in self.keys("entries/"):
            for name, file in json.loads(self.read(entry))["files"].items():
                assert len(blobs[f"blobs/{file['digest']}"]) == file["size"], f"{entry}: {name}"


def killed(place: Place, when: Callable[[], Any], what: str) -> None:
    """Build, and kill all of it with SIGKILL once something is seen."""
    process = place.start("slipway", "build", "marks.yaml", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def seen() -> bool:
        assert process.poll() is None, "it ended before it could be killed"
        return bool(when())

    wait_until(seen, what, every=0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    end(process)


def test_a_run_killed_in_training_and_in_packaging_ends_whole_on_another_machine(place: Place, s3: str) -> None:
    bucket, keys = Bucket(s3), place.folder.parent / "keys"
    place.variables |= {"SLIPWAY_STORE": s3, "SLIPWAY_SIGNING_KEY": str(keys / "signing.pem"), "OMP_NUM_THREADS": "1"}
    write_marks(place)
    workload = place.folder / "marks.yaml"
    # Long enough to be killed in it, and sent after each epoch.
    workload.write_text(workload.read_text().replace("epochs: 3", "epochs: 30, checkpoint_minutes: 0.0001"))
    other = replace(place, home=place.home.with_name("other-home"))

    killed(place, bucket.checkpoints, "a checkpoint is in the store")
    bucket.check()
    assert not bucket.keys("entries/builds/")
    assert bucket.checkpoints()

    killed(other, lambda: list(other.home.glob("builds/.*/*")), "files of a build are written")
    bucket.check()
    assert not bucket.keys("entries/builds/")

    # The first machine again: what the second one has finished is not done again.
    place.run("slipway", "build", "marks.yaml", expect=0)
    bucket.check()
    (build,) = bucket.keys("entries/builds/")
    stages = {one["stage"]: one["state"] for one in status(place)["stages"]}
    done = ("ingest", "validate", "prepare", "expect", "audit", "train", "compress", "evaluate", "rehearse", "gate")
    assert {name: stages[name] for name in done} == dict.fromkeys(done, "cached")
    assert stages["package"] == "ran"
    checked = place.run("slipway", "check", "marks.yaml", "--json", expect=0)
    assert json.loads(checked.stdout)["build"] == Path(build).name
    # What the killed ones had begun on their own machines is gone.
    assert not list(place.home.glob("builds/.*build*"))


def status(place: Place) -> Any:
    """Return what ``slipway status`` says."""
    return json.loads(place.run("slipway", "status", "marks.yaml", "--json", expect=0).stdout)
