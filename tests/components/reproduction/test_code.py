"""The recorded code comes back: from a clean commit, from a dirty tree with new files, or it is said to be lost."""

import subprocess
from pathlib import Path

import pytest
from msgspec import structs

from components.artefacts.build import Build, Manifest
from components.artefacts.errors import BuildError
from components.artefacts.storage import digest_file
from components.provenance import CodeVersion, code_version
from components.reproduction.code import restore_code
from components.reproduction.recorded import Recorded, RecordedCode, RecordedData, RecordedMachine
from components.training.results import TrainingRecord


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "components").mkdir(parents=True)
    git(root, "init")
    (root / "components" / "old.py").write_bytes(b"a = 1\r\nb = 2\n")
    git(root, "add", ".")
    git(root, "commit", "-m", "first")
    return root


def recorded(root: Path, version: CodeVersion) -> Recorded:
    """Return what a build made now would remember of the code."""
    files = {str(path.relative_to(root)): digest_file(path)[:16] for path in root.glob("components/*.py")}
    manifest = Manifest(format=1, build_id="b-1", workload="b", kind="tabular", created="", files={})
    return Recorded(
        build=Build(path=Path(), manifest=manifest, sealed=b"", contents={}),
        code=RecordedCode(version.commit, version.version, files),
        diff=version.diff.encode(),
        data=RecordedData("s", "v", "p"),
        machine=RecordedMachine("p", 2, "3.11.7"),
        packages={},
        training=TrainingRecord.model_construct(),
        metrics={},
    )


def test_a_clean_commit_comes_back_though_the_tree_has_moved_on(repository: Path, tmp_path: Path) -> None:
    known = recorded(repository, code_version(repository))
    (repository / "components" / "old.py").write_text("a = 3\n")
    git(repository, "commit", "-am", "second")
    folder, where = restore_code(known, tmp_path / "code", repository)
    assert (folder / "components" / "old.py").read_bytes() == b"a = 1\r\nb = 2\n"
    assert where == f"commit {(known.code.commit or '')[:12]}"


def test_uncommitted_changes_and_new_files_come_back_and_the_index_is_left_alone(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "components" / "old.py").write_bytes(b"a = 2\r\nb = 2\n")
    (repository / "components" / "new.py").write_text("c = 3\n")
    (repository / "secrets.yaml").write_text("password: x\n")
    # A contract of the user's own, which the build imported.
    (repository / "mine.py").write_text("d = 4\n")
    version = code_version(repository, used=("mine.py",))
    assert "password" not in version.diff
    known = recorded(repository, version)
    git(repository, "checkout", ".")
    (repository / "components" / "new.py").unlink()
    (repository / "mine.py").unlink()
    folder, where = restore_code(known, tmp_path / "code", repository)
    assert (folder / "components" / "old.py").read_bytes() == b"a = 2\r\nb = 2\n"
    assert (folder / "components" / "new.py").read_text() == "c = 3\n"
    assert (folder / "mine.py").read_text() == "d = 4\n"
    assert where.endswith("with its uncommitted changes")
    staged = subprocess.run(["git", "-C", str(repository), "status", "--short"], capture_output=True, text=True)
    assert staged.stdout == "?? secrets.yaml\n"


def test_a_lost_commit_is_named_and_the_running_code_serves_only_if_it_is_the_same(
    repository: Path, tmp_path: Path
) -> None:
    version = CodeVersion(version="0.1.0", commit="0" * 40, diff="")
    known = recorded(repository, version)
    folder, where = restore_code(known, tmp_path / "code", repository)
    assert folder == repository
    assert "commit 000000000000 is not in the repository" in where
    (repository / "components" / "old.py").write_text("a = 3\n")
    with pytest.raises(BuildError, match=r"cannot be reached.*components/old.py differs.*git fetch"):
        restore_code(known, tmp_path / "code", repository)


def test_code_that_git_did_not_hold_is_named(repository: Path, tmp_path: Path) -> None:
    (repository / ".gitignore").write_text("components/hidden.py\n")
    (repository / "components" / "hidden.py").write_text("d = 4\n")
    known = recorded(repository, code_version(repository))
    with pytest.raises(BuildError, match=r"components/hidden.py is missing"):
        restore_code(known, tmp_path / "code", repository)


def test_a_contract_of_the_users_own_is_looked_for_where_it_lies_now_and_a_file_of_ours_is_not(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    (work / "data_contracts").mkdir(parents=True)
    mine = work / "data_contracts" / "mine.py"
    mine.write_text("d = 4\n")
    monkeypatch.syspath_prepend(str(work))
    version = CodeVersion(version="0.1.0", commit=None, diff="")
    files = recorded(repository, version).code.files | {"data_contracts/mine.py": digest_file(mine)[:16]}
    known = structs.replace(recorded(repository, version), code=RecordedCode(None, "0.1.0", files))
    assert restore_code(known, tmp_path / "code", repository)[0] == repository
    mine.write_text("d = 5\n")
    with pytest.raises(BuildError, match=r"data_contracts/mine.py differs"):
        restore_code(known, tmp_path / "code", repository)
    # What would run is the restored code: a file of ours that it lacks is not taken from elsewhere.
    (work / "components").mkdir()
    (repository / "components" / "old.py").rename(work / "components" / "old.py")
    mine.write_text("d = 4\n")
    with pytest.raises(BuildError, match=r"components/old.py is missing"):
        restore_code(known, tmp_path / "code", repository)
