"""A build that is made again has its id again; how it was judged is kept beside how it was judged before."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.artefacts.build import open_build, seal
from components.artefacts.errors import BuildError
from components.builds.kept_builds import folder_of_build, keep_build, sealings
from components.builds.signing import ensure_key, public_key_path, sign_build
from components.store.folder import FolderStore
from components.store.installation import open_store
from components.store.store import Store


@pytest.fixture(params=["folder", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    ensure_key(tmp_path / "signing.pem")
    (tmp_path / "builds").mkdir()
    return open_store(tmp_path, "" if request.param == "folder" else str(request.getfixturevalue("s3")), 1)


@pytest.fixture
def builds(store: Store) -> Path:
    return store.root / "builds"


def made(builds: Path, evidence: str, model: str = "model", created: str = "2026-01-01T00:00:00+00:00") -> Path:
    folder = builds / f".build-{evidence}-{model}"
    folder.mkdir()
    (folder / "model.onnx").write_text(model)
    (folder / "evidence.json").write_text(evidence)
    seal(folder, workload="shop", kind="tabular", created=created)
    sign_build(folder, builds.parent / "signing.pem")
    return folder


@pytest.fixture
def keep(store: Store, builds: Path) -> Callable[..., Path]:
    return lambda *what: keep_build(made(builds, *what), store, public_key_path(store.root / "signing.pem"))


def test_the_same_build_is_kept_once_and_each_of_its_judgements_too(
    store: Store, builds: Path, keep: Callable[..., Path]
) -> None:
    first = keep("good")
    assert first.name == open_build(first).build_id
    assert keep("good", "model", "2027-01-01T00:00:00+00:00") == first
    before = (first / "evidence.json").read_text()
    second, third = keep("better"), keep("best")
    assert (second.name, third.name) == (f"{first.name}.2", f"{first.name}.3")
    assert (first / "evidence.json").read_text() == before
    assert folder_of_build(store, first.name) == third
    other = keep("good", "another")
    assert sealings(store) == {first.name: [first.name, second.name, third.name], other.name: [other.name]}
    assert not list(builds.glob(".*"))


def test_a_damaged_build_does_not_stand_for_a_new_one(store: Store, builds: Path, keep: Callable[..., Path]) -> None:
    first = keep("good")
    (first / "model.onnx").write_text("damaged")
    again = keep("good")
    assert again.name == f"{first.name}.2"
    assert folder_of_build(store, first.name) == again


def test_the_tenth_sealing_comes_after_the_ninth(store: Store, keep: Callable[..., Path]) -> None:
    places = [keep(str(number)) for number in range(11)]
    assert folder_of_build(store, places[0].name) == places[-1]


@pytest.mark.parametrize(
    "name", ["../shop-0123456789ab", "/etc", "shop-0123456789ab.2", "", "shop", "shop-" + "0" * 5_000]
)
def test_only_an_id_names_a_build(store: Store, name: str) -> None:
    with pytest.raises(BuildError, match="is no build id"):
        folder_of_build(store, name)
    with pytest.raises(BuildError, match="there is no build shop-0123456789ab"):
        folder_of_build(store, "shop-0123456789ab")


BESIDE = """
import sys
from pathlib import Path
from components.builds.kept_builds import keep_build
from components.store.installation import installed_store
sys.stdin.readline()
print(keep_build(Path(sys.argv[1]), installed_store(), Path(sys.argv[2])).name)
"""


def test_processes_that_keep_the_same_build_at_once_lose_no_judgement(
    store: Store, builds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(store.root))
    monkeypatch.setenv(
        "SLIPWAY_STORE", "" if isinstance(store, FolderStore) else store.where("builds").partition(" in ")[2]
    )
    folders = [made(builds, f"judgement {number}") for number in range(6)]
    build_id, key = open_build(folders[0]).build_id, str(public_key_path(builds.parent / "signing.pem"))
    keepers = [
        subprocess.Popen(
            [sys.executable, "-c", BESIDE, str(folder), key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    names = [keeper.communicate("go\n", timeout=60)[0].strip() for keeper in keepers]
    assert sorted(names) == sorted([build_id, *(f"{build_id}.{number}" for number in range(2, 7))])
    evidence = {store.read("builds", name, "evidence.json").decode() for name in sealings(store)[build_id]}
    assert evidence == {f"judgement {number}" for number in range(6)}
