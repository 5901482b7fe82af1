"""A signed build is served to whoever has the public key; any other is refused, by us and by the library alike."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from model_signing import hashing, verifying

from components.artefacts.build import SIGNATURE, open_build, seal
from components.artefacts.errors import BuildError
from components.artefacts.storage import write_json
from components.builds.signing import ensure_key, public_key_path, sign_build


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    """A signed build and the public key."""
    build = tmp_path / "build"
    build.mkdir()
    (build / "model.onnx").write_bytes(b"a graph")
    seal(build, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    key = ensure_key(tmp_path / "keys" / "signing.pem")
    sign_build(build, key)
    return build, public_key_path(key)


def verify(build: Path, key: Path) -> None:
    """Check a build as the library does that signed it."""
    ours = hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)
    verifying.Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(ours).verify(
        build, build / SIGNATURE
    )


def refused(build: Path, key: Path, reason: str) -> None:
    with pytest.raises(BuildError, match=reason):
        open_build(build, key)


def test_what_was_signed_opens_and_the_library_agrees(signed: tuple[Path, Path]) -> None:
    build, key = signed
    assert open_build(build, key).build_id == open_build(build).build_id
    verify(build, key)


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    key = ensure_key(tmp_path / "signing.pem")
    before = key.read_bytes()
    assert ensure_key(key).read_bytes() == before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_changed_file_is_refused(signed: tuple[Path, Path]) -> None:
    build, key = signed
    (build / "model.onnx").write_bytes(b"another graph")
    refused(build, key, "model.onnx is not what was built")
    with pytest.raises(ValueError, match=r"model\.onnx"):
        verify(build, key)


def test_a_change_that_is_sealed_again_is_refused(signed: tuple[Path, Path]) -> None:
    build, key = signed
    (build / "model.onnx").write_bytes(b"another graph")
    seal(build, workload="flights", kind="tabular", created="2026-11-21T00:00:00+00:00")
    assert open_build(build)
    refused(build, key, "is for another manifest.json")


def test_another_key_no_signature_and_a_broken_one_are_refused(signed: tuple[Path, Path], tmp_path: Path) -> None:
    build, key = signed
    refused(build, public_key_path(ensure_key(tmp_path / "other.pem")), "was not signed with the key")
    refused(build, tmp_path / "nothing.pub", "cannot read the public key")
    bundle = json.loads((build / SIGNATURE).read_text())
    bundle["dsseEnvelope"]["payload"] = bundle["dsseEnvelope"]["payload"][:-8] + "AAAAAAA="
    write_json(build / SIGNATURE, bundle)
    refused(build, key, "its signature is none|was not signed with the key")
    (build / SIGNATURE).unlink()
    refused(build, key, "is not signed")


def test_checking_does_not_import_the_library() -> None:
    script = (
        "import sys, components.artefacts.signature as _; "
        "print({'model_signing', 'sigstore', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
