"""Builds as Bentos: packed with the service that answers, exported as one file, imported again.

The one door to BentoML. Its command line does the work in a process of its own: importing a service changes sys.path
and keeps modules, which a pipeline should not have to live with.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from components.artefacts.build import Build
from components.artefacts.errors import HostError
from components.artefacts.inference import inference_of
from components.artefacts.lifetime import bound
from components.artefacts.storage import scratch_prefix, write_atomically
from components.builds.serving_sources import copy_sources

# Those of the service that BentoML itself does not bring, beside those of the kind.
PACKAGES = ("bentoml", "cryptography", "msgspec", "numpy", "prometheus-client", "pyarrow")
SECONDS = 300


def pack_bento(build: Build, store: Path) -> str:
    """Pack a build into a Bento in a store folder and return its tag, ``<workload>:<end of the build id>-<its seal>``.

    The key that the build was opened with is packed beside it: the service asks for it. Packing the same build again
    returns the same tag. Raises HostError if BentoML fails.
    """
    workload = build.manifest.workload
    version = f"{build.build_id.removeprefix(f'{workload}-')}-{build.seal}"
    tag = f"{workload}:{version}"
    place = store / "bentos" / workload / version
    if place.is_dir():
        return tag
    store.mkdir(parents=True, exist_ok=True)
    # BentoML writes into its store file by file. In one of our own first: a killed packing leaves no part of a Bento.
    # What it packs must not lie below a hidden folder, as a home may.
    seen = scratch_prefix("slipway-bento").removeprefix(".")
    with (
        tempfile.TemporaryDirectory(dir=store, prefix=scratch_prefix("packing")) as scratch,
        tempfile.TemporaryDirectory(prefix=seen) as folder,
    ):
        context, packed = Path(folder), Path(scratch)
        copy_sources(context, build.manifest.kind)
        build.write_to(context / "build")
        if build.public_key is not None:
            shutil.copyfile(build.public_key, context / "signing.pub")
        (context / "bentofile.yaml").write_text(yaml.safe_dump(_bentofile(build, workload)))
        _bentoml(packed, context, "build", ".", "--version", version, "--output", "tag")
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            (packed / "bentos" / workload / version).rename(place)
        except OSError:
            # Somebody else has packed the same build meanwhile.
            if not place.is_dir():
                raise
        write_atomically(place.parent / "latest", version.encode())
    return tag


def export_bento(tag: str, store: Path, target: Path) -> Path:
    """Write a Bento as one file (``.bento``) and return its path."""
    _bentoml(store, store, "export", tag, str(target.resolve()))
    return target


def _bentofile(build: Build, workload: str) -> dict[str, object]:
    packages = [
        f"{name}=={importlib.metadata.version(name)}"
        for name in (*PACKAGES, *inference_of(build.manifest.kind).packages)
    ]
    return {
        "service": "deployments.bento_service:Slipway",
        "name": workload,
        "labels": {"build": build.build_id, "kind": build.manifest.kind},
        "include": ["**/*"],
        # The versions are exact already; locking them again would need the network.
        "python": {"packages": packages, "lock_packages": False},
    }


def _bentoml(store: Path, folder: Path, *arguments: str) -> str:
    """Run BentoML's command line on a store, in a folder, and return what it prints."""
    store.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"BENTOML_HOME": str(store.resolve()), "BENTOML_DO_NOT_TRACK": "True"}
    # The sources in the Bento must win over this installation.
    environment.pop("PYTHONPATH", None)
    command = bound([sys.executable, "-m", "bentoml", *arguments])
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, env=environment, cwd=folder, check=False
        )
    except subprocess.TimeoutExpired:
        raise HostError(f"bentoml {arguments[0]} did not end within {SECONDS} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise HostError(f"bentoml {arguments[0]} failed ({done.returncode}): {said[-1] if said else 'it said nothing'}")
    return done.stdout
