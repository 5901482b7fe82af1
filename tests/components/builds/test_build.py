"""A build is what its manifest says, or it is refused."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from components.builds.build import MANIFEST, open_build, seal
from components.errors import BuildError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "build"
    path.mkdir()
    (path / "model.onnx").write_bytes(b"model")
    (path / "contract.json").write_text("{}")
    seal(path, workload="w", kind="tabular", created="2026-01-01T00:00:00+00:00")
    return path


def test_a_sealed_build_opens_and_its_id_follows_from_its_files(folder: Path) -> None:
    build = open_build(folder)
    assert build.build_id.startswith("w-")
    assert set(build.manifest.files) == {"model.onnx", "contract.json"}


def _flip(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"nodel")


def _remove(folder: Path) -> None:
    (folder / "contract.json").unlink()


def _forge(folder: Path) -> None:
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    manifest["files"]["model.onnx"] = "0" * 64
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def _future(folder: Path) -> None:
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    manifest["format"] = 99
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def _unseal(folder: Path) -> None:
    (folder / MANIFEST).unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_flip, "model.onnx is not what was built"),
        (_remove, "contract.json is missing"),
        (_forge, "does not follow from its files"),
        (_future, "format 99"),
        (_unseal, "is not a build"),
    ],
)
def test_a_damaged_build_is_refused_by_name(folder: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(folder)
    with pytest.raises(BuildError, match=told):
        open_build(folder)
