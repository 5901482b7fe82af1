from pathlib import Path

import pytest
import torch

from components.training import engine
from components.training.engine import fit
from components.training.results import HardwareChoice
from components.training.spending import Budget
from tests.components.training.small_fit import make_plan


def by_lightning(hardware: HardwareChoice) -> tuple[list[object], dict[str, str]]:
    return [], {"precision": hardware.precision}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_without_hooks_ends_with_the_weights_of_lightnings_own_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    plan = make_plan(precision=precision, clip=0.1)
    ours = fit(plan, tmp_path / "ours", Budget(600.0))
    monkeypatch.setattr(engine, "precision_arguments", by_lightning)
    theirs = fit(plan, tmp_path / "theirs", Budget(600.0))
    assert ours.steps == theirs.steps
    assert all(torch.equal(value, theirs.weights[name]) for name, value in ours.weights.items())
