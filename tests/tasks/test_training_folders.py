"""A training that was killed goes on in its own folder, and never from what other code or other options left."""

from pathlib import Path

import pytest

from components.compression.part import CompressionPart
from components.settings import Home
from components.store.reference import Reference
from components.training.part import TrainingPart
from tasks import compress, train
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
