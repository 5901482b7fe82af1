"""A build is what its manifest says, or it is refused."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from components.artefacts.build import BESIDE, CLOCKED, KEPT_BYTES, MANIFEST, SIGNATURE, UNNAMED, open_build, seal
from components.artefacts.errors import BuildError
from components.artefacts.storage import digest_json
from components.builds.signing import ensure_key, public_key_path, sign_build


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


def _manifest_is_a_folder(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).mkdir()


def _manifest_is_no_text(folder: Path) -> None:
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes().replace(b"tabular", b"tab\xfflar"))


def _manifest_is_huge(folder: Path) -> None:
    os.truncate(folder / MANIFEST, 3 * 2**30)


def _manifest_waits(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)


def _link(folder: Path) -> None:
    (folder / "model.onnx").rename(folder.with_name("model.onnx"))
    (folder / "model.onnx").symlink_to(folder.with_name("model.onnx"))


def _pipe(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")


def _folder_for_file(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()


def _another_file(folder: Path) -> None:
    (folder / "notes.txt").write_text("nobody built this")


def _file_in_a_folder(folder: Path) -> None:
    (folder / "assets").mkdir()
    (folder / "assets" / "words.txt").write_text("nobody built this")


def _linked_folder(folder: Path) -> None:
    folder.with_name("elsewhere").mkdir()
    (folder / "assets").symlink_to(folder.with_name("elsewhere"))


def _empty_folder(folder: Path) -> None:
    (folder / "assets").mkdir()


def _listing(folder: Path, **changed: object) -> None:
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes()) | changed
    manifest["build_id"] = f"{manifest['workload']}-{digest_json(manifest['files'])[:12]}"
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def _climbing(folder: Path) -> None:
    folder.with_name("secret").write_bytes(b"model")
    _listing(folder, files={"../secret": "0" * 64})


def _named_like_a_path(folder: Path) -> None:
    _listing(folder, workload="../../elsewhere")


def _kind_of_a_module(folder: Path) -> None:
    _listing(folder, kind="tabular.trees")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_flip, "model.onnx is not what was built"),
        (_remove, "contract.json is missing"),
        (_forge, "does not follow from its files"),
        (_future, "format 99"),
        (_unseal, "is not a build"),
        (_manifest_is_a_folder, "manifest.json is not a file"),
        (_manifest_is_no_text, "is not a manifest of format"),
        (_manifest_is_huge, "has more than 16,777,216 bytes"),
        (_manifest_waits, "manifest.json is not a file"),
        (_link, "model.onnx is a link"),
        (_pipe, "model.onnx is no ordinary file"),
        (_folder_for_file, "model.onnx is an empty folder"),
        (_another_file, "notes.txt in .* is not part of it"),
        (_file_in_a_folder, r"assets/words.txt in .* is not part of it"),
        (_linked_folder, "assets is a link"),
        (_empty_folder, "assets is an empty folder"),
        (_climbing, "lists '../secret', which is no name of a file in it"),
        (_named_like_a_path, "is of workload '../../elsewhere'"),
        (_kind_of_a_module, r"kind 'tabular\.trees'"),
    ],
)
def test_a_damaged_build_is_refused_by_name(folder: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(folder)
    with pytest.raises(BuildError, match=told):
        open_build(folder)


def test_no_folder_and_a_file_are_no_builds(folder: Path) -> None:
    for path in (folder / "nothing", folder / "model.onnx", Path("a\0b")):
        with pytest.raises(BuildError, match=r"not a build|cannot be read"):
            open_build(path)


def test_no_byte_of_a_signed_manifest_can_be_changed(folder: Path, tmp_path: Path) -> None:
    key = ensure_key(tmp_path / "signing.pem")
    sign_build(folder, key)
    whole = (folder / MANIFEST).read_bytes()
    for place in range(len(whole)):
        for flip in (0x01, 0x80):
            (folder / MANIFEST).write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            with pytest.raises(BuildError):
                open_build(folder, public_key_path(key))
    (folder / MANIFEST).write_bytes(whole)
    assert open_build(folder, public_key_path(key)).asked_for()[-1] == str(public_key_path(key))


def test_another_build_in_the_place_of_the_one_that_was_meant_is_refused(folder: Path) -> None:
    build_id = open_build(folder).build_id
    assert open_build(folder, build_id=build_id).build_id == build_id
    with pytest.raises(BuildError, match=f"holds {build_id}, not w-000000000000"):
        open_build(folder, build_id="w-000000000000")


def test_what_was_checked_is_what_is_read_whatever_becomes_of_the_file(folder: Path, tmp_path: Path) -> None:
    build = open_build(folder)
    # In place, as somebody would who waits for the check: the file is the same, its bytes are not.
    with (folder / "model.onnx").open("r+b") as file:
        file.write(b"nodel")
    assert build.read("model.onnx") == b"model"
    build.write_to(tmp_path / "copy")
    assert open_build(tmp_path / "copy").seal == build.seal
    with pytest.raises(BuildError, match=r"model\.onnx is not what was built"):
        build.released().read("model.onnx")
    with pytest.raises(BuildError, match=r"has no golden\.json: build it again"):
        build.golden()


def test_a_large_file_is_checked_when_the_build_is_opened_and_again_when_it_is_read(folder: Path) -> None:
    with (folder / "model.onnx").open("wb") as file:
        file.truncate(KEPT_BYTES + 1)
    seal(folder, workload="w", kind="tabular", created="2026-01-01T00:00:00+00:00")
    build, loaded = open_build(folder), open_build(folder, load_parts=True)
    assert ("model.onnx" in build.contents, "model.onnx" in loaded.contents) == (False, True)
    assert len(build.read("model.onnx")) == KEPT_BYTES + 1
    with (folder / "model.onnx").open("r+b") as file:
        file.write(b"other")
    with pytest.raises(BuildError, match=r"model\.onnx is not what was built"):
        build.read("model.onnx")
    with pytest.raises(BuildError, match=r"model\.onnx is not what was built"):
        open_build(folder)


def test_a_document_of_another_format_is_one_line(folder: Path) -> None:
    (folder / "golden.json").write_text("[]")
    seal(folder, workload="w", kind="tabular", created="2026-01-01T00:00:00+00:00")
    build = open_build(folder)
    with pytest.raises(BuildError, match=r"golden\.json is of another format"):
        build.golden()
    with pytest.raises(BuildError, match="its contract is of another format"):
        build.contract()


def test_the_id_is_of_what_answers_and_not_of_when_and_how_it_was_judged(folder: Path) -> None:
    before = open_build(folder)
    for name in sorted(BESIDE):
        (folder / name).write_text(f"another {name}")
    seal(folder, workload="w", kind="tabular", created="2027-01-01T00:00:00+00:00")
    judged_again = open_build(folder)
    assert judged_again.build_id == before.build_id
    assert judged_again.seal != before.seal
    for name in ("model.onnx", "contract.json", "words.json"):
        (folder / name).write_text("another")
        seal(folder, workload="w", kind="tabular", created="2026-01-01T00:00:00+00:00")
        assert open_build(folder).build_id != before.build_id


def test_graphs_and_assets_go_by_the_names_of_their_files(folder: Path) -> None:
    (folder / "encoder.onnx").write_bytes(b"encoder")
    (folder / "assets").mkdir()
    (folder / "assets" / "words.json").write_bytes(b"{}")
    seal(folder, workload="w", kind="tabular", created="2026-01-01T00:00:00+00:00")
    parts = open_build(folder).parts()
    assert (parts.graphs, parts.assets) == ({"model": b"model", "encoder": b"encoder"}, {"words.json": b"{}"})
    assert parts.model == b"model"
    _listing(folder, graphs={"model": "encoder.onnx"})
    with pytest.raises(BuildError, match="its names of graphs and assets are not those of its files"):
        open_build(folder)


@pytest.mark.parametrize("version", [CLOCKED, UNNAMED])
def test_a_build_from_before_its_parts_had_names_opens_with_the_graph_and_the_recipe(
    folder: Path, version: int
) -> None:
    (folder / "recipe.json").write_bytes(b"{}")
    seal(folder, workload="w", kind="tabular", created="2026-01-01T00:00:00+00:00")
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    before = {key: value for key, value in manifest.items() if key not in ("graphs", "assets")}
    (folder / MANIFEST).write_bytes(msgspec.json.encode(before))
    _listing(folder, format=version)
    parts = open_build(folder).parts()
    assert (parts.graphs, parts.assets) == ({"model": b"model"}, {"recipe.json": b"{}"})


def test_a_build_of_the_format_before_still_opens(folder: Path) -> None:
    (folder / "evidence.json").write_text("{}")
    seal(folder, workload="w", kind="tabular", created="2026-01-01T00:00:00+00:00")
    _listing(folder, format=CLOCKED)
    assert open_build(folder).build_id.startswith("w-")
    (folder / SIGNATURE).write_text("{}")
    assert open_build(folder).signature == b"{}"
