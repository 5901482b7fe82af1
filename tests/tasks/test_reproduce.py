"""Builds made again for real: an honest one is confirmed, one whose model was exchanged is not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from components.artefacts.build import MANIFEST, SIGNATURE, Build, open_build, seal
from components.artefacts.errors import DataError
from components.artefacts.storage import digest_file, write_json
from components.builds.signing import ensure_key, public_key_path, sign_build
from components.data.versions import find_version
from components.reproduction.rebuild import Rebuilding, reproduce
from components.settings import Home, Settings
from tests.conftest import REPOSITORY
from tests.tasks.staging import Staged


def exchanged(build: Build, folder: Path, model: Path, home: Home) -> Build:
    """Return a copy of a build with another model, and every record made to say that this is the one."""
    shutil.copytree(build.path, folder)
    shutil.copyfile(model, folder / "model.onnx")
    provenance = msgspec.json.decode((folder / "provenance.json").read_bytes())
    for candidate in provenance["training"]["candidates"]:
        if candidate["name"] == provenance["training"]["chosen"]:
            candidate["digest"] = digest_file(folder / "model.onnx")
    provenance["model"]["digest"] = digest_file(folder / "model.onnx")
    provenance["training"]["shipped"] = provenance["model"]["digest"]
    write_json(folder / "provenance.json", provenance)
    (folder / MANIFEST).unlink()
    (folder / SIGNATURE).unlink()
    seal(folder, workload=build.manifest.workload, kind=build.manifest.kind, created=build.manifest.created)
    # By somebody who has the key: what the build says is not trusted all the same.
    key = ensure_key(Settings(home=home.root).key())
    sign_build(folder, key)
    return open_build(folder, public_key_path(key))


@pytest.mark.slow
def test_a_build_is_made_again_byte_by_byte_and_its_data_and_registry_are_left_alone(staged: Staged) -> None:
    before = sorted(staged.home.root.rglob("*"))
    found = reproduce(staged.build, staged.home, Rebuilding(), lambda what: None)
    assert found.held, found.differences
    assert found.environment == ()
    assert all(candidate.same_model for candidate in found.candidates)
    # Which variant of the same model ships was measured, and a busy machine may measure otherwise.
    assert found.verdict == "identical" or any("shipped, now" in line for line in found.differences)
    assert found.data == staged.snapshot.digest
    assert sorted(staged.home.root.rglob("*")) == before


@pytest.mark.slow
def test_a_build_whose_model_was_exchanged_is_reported_with_exit_code_1(staged: Staged, tmp_path: Path) -> None:
    other = next(one for one in staged.trained.candidates if one.name != staged.trained.chosen)
    build = exchanged(staged.build, tmp_path / "exchanged", other.model, staged.home)
    done = subprocess.run(
        [sys.executable, "-c", "from flows.command_line import main; main()", "reproduce", str(build.path), "--json"],
        cwd=REPOSITORY,
        env=os.environ | {"SLIPWAY_HOME": str(staged.home.root), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    found = msgspec.json.decode(done.stdout)
    assert found["verdict"] == "different"
    assert any(line.startswith("auc, asked again") for line in found["differences"])
    assert found["files"]["model.onnx"] is False


def test_deleted_data_are_named_before_anything_runs(staged: Staged, tmp_path: Path) -> None:
    elsewhere = type(staged.home)(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=rf"data version {staged.snapshot.digest[:12]}, which is not in"):
        reproduce(staged.build, elsewhere, Rebuilding(), lambda what: None)
    assert find_version(staged.snapshot.digest, staged.home) == staged.snapshot
