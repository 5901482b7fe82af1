"""A fit that was killed at any point, within writing a checkpoint too, ends as one that was not."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from components.training.engine import Fitted, fit
from components.training.spending import Budget
from tests.components.training.killed_fits import OPTIONS, POINTS
from tests.components.training.small_fit import make_plan
from tests.conftest import REPOSITORY

PLENTY = Budget(600.0)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-W", "ignore", "-m", "tests.components.training.killed_fits", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fitted]:
    return {name: fit(make_plan(**extra), tmp_path_factory.mktemp("whole"), PLENTY) for name, extra in OPTIONS.items()}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", OPTIONS)
def test_a_killed_fit_ends_as_one_that_was_not(killed: Path, whole: dict[str, Fitted], name: str, point: str) -> None:
    resumed, expected = fit(make_plan(**OPTIONS[name]), killed / name / point, PLENTY), whole[name]
    assert resumed.resumed is (point not in ("the first step", "the first checkpoint"))
    assert resumed.curve == expected.curve
    assert resumed.steps == expected.steps
    assert all(torch.equal(value, resumed.weights[key]) for key, value in expected.weights.items())


def test_what_a_kill_leaves_half_written_lies_beside_the_checkpoint_and_is_known_as_such(killed: Path) -> None:
    left = sorted(path.name for path in (killed / "plain" / "a whole checkpoint without its name").glob(".*"))
    assert len(left) == 1
    assert left[0].startswith(".last-32-true.ckpt.")
