"""A finished build can be checked, timed, carried away as one file and taken in somewhere else."""

import tarfile
from pathlib import Path

import pytest

from components.artefacts.build import open_build
from components.artefacts.errors import BuildError
from components.builds.signing import ensure_key, public_key_path
from components.promotion.inspection import build_of, inspect, profile
from components.registry.archive import export_build, import_build
from components.registry.versions import CHALLENGER, aliased_build
from components.settings import Home
from tests.tasks.staging import Staged


@pytest.fixture(scope="module")
def exported(staged: Staged, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_build(staged.build, staged.home, tmp_path_factory.mktemp("exported") / "build.bento")


def test_a_build_is_found_by_the_beginning_of_its_id(staged: Staged) -> None:
    found = build_of(staged.build.build_id[:-3], staged.home, staged.settings)
    assert found.build_id == staged.build.build_id
    with pytest.raises(BuildError, match="there is no build 'nothing'"):
        build_of("nothing", staged.home, staged.settings)


def test_a_sound_build_holds_up_to_the_live_answer(staged: Staged) -> None:
    ladder, live = inspect(staged.build, staged.settings)
    assert ladder.broken is None
    assert ladder.rungs[-1].name == "live"
    assert live is not None
    assert live.max_difference <= 1e-5


def test_the_stages_of_a_finished_build_are_measured(staged: Staged) -> None:
    assert profile(staged.build, staged.settings, requests=100).requests == 100


def test_a_build_travels_as_one_file_and_is_the_same_elsewhere(staged: Staged, exported: Path, tmp_path: Path) -> None:
    home, key = Home(tmp_path / "elsewhere"), public_key_path(staged.settings.key())
    registered = import_build(exported, home, staged.settings, key)
    taken = open_build(registered.build, key)
    assert taken.path == home.room("builds", staged.build.build_id)
    assert taken.manifest == staged.build.manifest
    workload = staged.workload.name
    assert aliased_build(workload, CHALLENGER, home=home, settings=staged.settings) == taken.build_id
    # Again changes nothing.
    assert import_build(exported, home, staged.settings, key).version == registered.version


def test_a_file_signed_by_somebody_else_is_refused_and_nothing_is_kept(
    staged: Staged, exported: Path, tmp_path: Path
) -> None:
    home, other = Home(tmp_path / "elsewhere"), public_key_path(ensure_key(tmp_path / "other.pem"))
    with pytest.raises(BuildError, match="was not signed with the key of"):
        import_build(exported, home, staged.settings, other)
    assert not home.room("builds").exists()


def test_a_file_whose_model_was_changed_is_refused(staged: Staged, exported: Path, tmp_path: Path) -> None:
    with tarfile.open(exported) as archive:
        archive.extractall(tmp_path / "open", filter="data")
    (model,) = (tmp_path / "open").rglob("build/model.onnx")
    model.write_bytes(model.read_bytes() + b"\0")
    changed = tmp_path / "changed.bento"
    with tarfile.open(changed, "w:xz") as archive:
        for part in (tmp_path / "open").iterdir():
            archive.add(part, arcname=part.name)
    home = Home(tmp_path / "elsewhere")
    with pytest.raises(BuildError, match=r"model\.onnx is not what was built"):
        import_build(changed, home, staged.settings, public_key_path(staged.settings.key()))
    assert not home.room("builds").exists()


def test_an_export_overwrites_nothing_and_has_a_name_that_can_be_imported(
    staged: Staged, exported: Path, tmp_path: Path
) -> None:
    with pytest.raises(BuildError, match="exists already"):
        export_build(staged.build, staged.home, exported)
    with pytest.raises(BuildError, match=r"must end in \.bento"):
        export_build(staged.build, staged.home, tmp_path / "build.zip")
    (tmp_path / "text.bento").write_text("no archive")
    for name, said in (("text", "is not a file that 'slipway export' wrote"), ("nothing", "does not exist")):
        with pytest.raises(BuildError, match=said):
            import_build(tmp_path / f"{name}.bento", staged.home, staged.settings, tmp_path / "key.pub")
