"""A build that is made again has its id again; how it was judged is kept beside how it was judged before."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.artefacts.build import open_build, seal
from components.artefacts.errors import BuildError
from components.builds.kept_builds import folder_of_build, keep_build, sealings
from components.builds.signing import ensure_key, public_key_path, sign_build


@pytest.fixture
def builds(tmp_path: Path) -> Path:
    folder = tmp_path / "builds"
    folder.mkdir()
    ensure_key(tmp_path / "signing.pem")
    return folder


def made(builds: Path, evidence: str, model: str = "model", created: str = "2026-01-01T00:00:00+00:00") -> Path:
    folder = builds / f".build-{evidence}-{model}"
    folder.mkdir()
    (folder / "model.onnx").write_text(model)
    (folder / "evidence.json").write_text(evidence)
    seal(folder, workload="shop", kind="tabular", created=created)
    sign_build(folder, builds.parent / "signing.pem")
    return folder


def kept(builds: Path, *what: str) -> Path:
    return keep_build(made(builds, *what), builds, public_key_path(builds.parent / "signing.pem"))


def test_the_same_build_is_kept_once_and_each_of_its_judgements_too(builds: Path) -> None:
    first = kept(builds, "good")
    assert first.name == open_build(first).build_id
    assert kept(builds, "good", "model", "2027-01-01T00:00:00+00:00") == first
    before = (first / "evidence.json").read_text()
    second, third = kept(builds, "better"), kept(builds, "best")
    assert (second.name, third.name) == (f"{first.name}.2", f"{first.name}.3")
    assert (first / "evidence.json").read_text() == before
    assert folder_of_build(builds, first.name) == third
    other = kept(builds, "good", "another")
    assert sealings(builds) == {first.name: [first, second, third], other.name: [other]}
    assert not list(builds.glob(".*"))


def test_a_damaged_build_does_not_stand_for_a_new_one(builds: Path) -> None:
    first = kept(builds, "good")
    (first / "model.onnx").write_text("damaged")
    again = kept(builds, "good")
    assert again.name == f"{first.name}.2"
    assert folder_of_build(builds, first.name) == again


def test_the_tenth_sealing_comes_after_the_ninth(builds: Path) -> None:
    places = [kept(builds, str(number)) for number in range(11)]
    assert folder_of_build(builds, places[0].name) == places[-1]


@pytest.mark.parametrize(
    "name", ["../shop-0123456789ab", "/etc", "shop-0123456789ab.2", "", "shop", "shop-" + "0" * 5_000]
)
def test_only_an_id_names_a_build(builds: Path, name: str) -> None:
    with pytest.raises(BuildError, match="is no build id"):
        folder_of_build(builds, name)
    with pytest.raises(BuildError, match="there is no build shop-0123456789ab"):
        folder_of_build(builds, "shop-0123456789ab")


BESIDE = """
import sys
from pathlib import Path
from components.builds.kept_builds import keep_build
sys.stdin.readline()
print(keep_build(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])).name)
"""


def test_processes_that_keep_the_same_build_at_once_lose_no_judgement(builds: Path) -> None:
    folders = [made(builds, f"judgement {number}") for number in range(6)]
    build_id, key = open_build(folders[0]).build_id, str(public_key_path(builds.parent / "signing.pem"))
    keepers = [
        subprocess.Popen(
            [sys.executable, "-c", BESIDE, str(folder), str(builds), key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    names = [keeper.communicate("go\n", timeout=60)[0].strip() for keeper in keepers]
    assert sorted(names) == sorted([build_id, *(f"{build_id}.{number}" for number in range(2, 7))])
    evidence = {(folder / "evidence.json").read_text() for folder in sealings(builds)[build_id]}
    assert evidence == {f"judgement {number}" for number in range(6)}
