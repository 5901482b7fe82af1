"""A training that was killed goes on in its own folder, and never from what other code or other options left."""

from pathlib import Path

import pytest

from components import progress
from components.catalog import find_kind
from components.compression.part import CompressionPart
from components.data.results import Prepared
from components.settings import Home, Settings
from components.store.reference import Reference
from components.training.hardware import choose_hardware, forget_other_hardware, probe_machine
from components.training.part import TrainingPart
from components.training.results import Trained
from data_contracts.digits import HandwrittenDigit, read_rows
from tasks import compress, train
from tests.components.kinds.small_digits import prepare_digits
from tests.kinds.image.example import GOAL, MODEL
from tests.tasks.staging import Staged


def folders(staged: Staged, home: Home, **changed: object) -> tuple[Reference, Reference]:
    workload = staged.workload.model_copy(update=changed)
    return (
        train.training_of(TrainingPart.of(workload), staged.prepared, home),
        compress.variants_of(CompressionPart.of(workload), staged.trained, home),
    )


def test_a_folder_follows_from_code_options_goal_and_seed(
    staged: Staged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    before = folders(staged, home)
    assert folders(staged, home) == before
    goal = staged.workload.goal.model_copy(update={"training_usd": 0.05})
    found = [before, folders(staged, home, seed=99), folders(staged, home, goal=goal)]
    for module in (train, compress):
        monkeypatch.setattr(module, "code_part", lambda modules: {"components/training/guards.py": "another digest"})
    found.append(folders(staged, home))
    for place in (0, 1):
        assert len({pair[place] for pair in found}) == len(found)


def test_the_code_of_a_folder_is_that_of_the_engine_and_of_the_variants(staged: Staged, tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        for module in (train, compress):
            whole = module.code_part
            patch.setattr(module, "code_part", lambda modules, whole=whole: asked.append(tuple(whole(modules))) or {})
        folders(staged, Home(tmp_path))
    for files in asked:
        assert "components/training/guards.py" in files
    assert "components/compression/choice.py" in asked[1]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare_digits(tmp_path_factory.mktemp("digits") / "prepared", read_rows().collect())


def trained(prepared: Prepared, home: Home) -> Trained:
    model = MODEL | {"epochs": 4, "checkpoint_minutes": 1e-9}
    part, kind = TrainingPart(kind="image", goal=GOAL, model=model, seed=7), find_kind("image")
    return train.train.fn(part, prepared, kind, HandwrittenDigit.spec(), home, Settings(threads=1))


def test_a_training_that_was_killed_on_one_machine_goes_on_with_its_checkpoints_on_another(
    digits: Prepared, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, int]] = []

    def killed(what: str, done: int, total: int) -> None:
        if (what, done) == ("network", 3):
            raise KeyboardInterrupt

    monkeypatch.setattr(progress, "_listeners", [killed])
    with pytest.raises(KeyboardInterrupt):
        trained(digits, Home(tmp_path / "here", s3))
    monkeypatch.setattr(progress, "_listeners", [lambda *report: told.append(report)])
    there = trained(digits, Home(tmp_path / "there", s3))
    # The second epoch was sent, and of the linear probe all of it.
    assert [done for what, done, total in told if (what, total) == ("network", 4) and done] == [3, 4]
    assert not [done for what, done, total in told if what == "linear" and 0 < done < total]
    assert there.digest == trained(digits, Home(tmp_path / "alone")).digest


def test_what_was_chosen_for_another_device_is_chosen_anew(tmp_path: Path) -> None:
    here = choose_hardware(probe_machine())
    other = here.model_copy(update={"device": "mps" if here.device != "mps" else "cpu"})
    for name, choice in (("hardware.json", here), ("hardware-network.json", other)):
        (tmp_path / name).write_text(choice.model_dump_json())
    forget_other_hardware(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["hardware.json"]
