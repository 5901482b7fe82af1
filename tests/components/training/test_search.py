import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.artefacts.errors import TrainingError
from components.training.options import TrainingOptions
from components.training.results import read_trials
from components.training.search import Watch, search
from components.training.search_options import SearchOptions
from tests.conftest import REPOSITORY

BASE = TrainingOptions()
RANGES = {"learning_rate": {"low": 0.001, "high": 1.0, "log": True}, "patience": {"low": 1, "high": 5}}


def wanted(trials: int = 12, minutes: float = 5, **ranges: object) -> SearchOptions:
    return SearchOptions.model_validate({"trials": trials, "minutes": minutes, "ranges": ranges or RANGES})


def closeness(options: TrainingOptions, place: Path, watch: Watch) -> float:
    """Best at a learning rate of 0.1; reports three epochs."""
    score = -abs(options.learning_rate - 0.1)
    for epoch in (1, 2, 3):
        watch(epoch, score)
    return score


def quiet(done: int, total: int) -> None:
    pass


def test_the_best_trial_is_found_and_all_are_on_record(tmp_path: Path) -> None:
    options, place = search(BASE, wanted(), closeness, tmp_path, seed=1, report=quiet)
    trials = read_trials(tmp_path / "trials.json")
    assert len(trials) == 12
    best = max((trial for trial in trials if trial.score is not None), key=lambda trial: trial.score or 0)
    assert options.learning_rate == best.options["learning_rate"] == pytest.approx(0.1, abs=0.08)
    assert isinstance(options.patience, int)
    assert place.parent == tmp_path


def test_trials_that_fall_behind_are_pruned(tmp_path: Path) -> None:
    search(BASE, wanted(25), closeness, tmp_path, seed=1, report=quiet)
    states = [trial.state for trial in read_trials(tmp_path / "trials.json")]
    assert states.count("pruned") > 3


def test_the_same_seed_tries_the_same_options(tmp_path: Path) -> None:
    first, second = (search(BASE, wanted(), closeness, tmp_path / name, seed=3, report=quiet)[0] for name in "ab")
    assert first == second


def test_a_finished_search_run_again_tries_nothing(tmp_path: Path) -> None:
    found = search(BASE, wanted(), closeness, tmp_path, seed=1, report=quiet)

    def refuse(options: TrainingOptions, place: Path, watch: Watch) -> float:
        raise AssertionError("a trial began")

    assert search(BASE, wanted(), refuse, tmp_path, seed=1, report=quiet) == found


def deadly(options: TrainingOptions, place: Path, watch: Watch) -> float:
    if len(list(place.parent.glob("trial-*"))) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    place.mkdir()
    return closeness(options, place, watch)


def test_a_killed_search_goes_on_and_repeats_the_trial_that_was_cut_off(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.components.training.test_search import *;"
        "search(BASE, wanted(), deadly, Path(sys.argv[1]), seed=1, report=quiet)"
    )
    run = [sys.executable, "-c", code, str(tmp_path)]
    killed = subprocess.run(run, cwd=REPOSITORY, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    search(BASE, wanted(), closeness, tmp_path, seed=1, report=quiet)
    trials = read_trials(tmp_path / "trials.json")
    (cut,) = (trial for trial in trials if trial.state == "failed")
    assert sum(trial.options == cut.options for trial in trials) == 2
    assert len(trials) == 13


def test_options_under_which_training_breaks_down_are_a_failed_trial(tmp_path: Path) -> None:
    def breaks(options: TrainingOptions, place: Path, watch: Watch) -> float:
        if options.learning_rate > 0.05:
            raise TrainingError("not finite")
        return closeness(options, place, watch)

    options, _ = search(BASE, wanted(), breaks, tmp_path, seed=1, report=quiet)
    assert options.learning_rate <= 0.05
    assert {trial.state for trial in read_trials(tmp_path / "trials.json")} >= {"finished", "failed"}


def test_without_any_finished_trial_the_time_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"none of the search's trials finished within 1e-09 min"):
        search(BASE, wanted(minutes=1e-9), closeness, tmp_path, seed=1, report=quiet)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": {"choices": [3, 0]}}, "'epochs' in ranges cannot be 0: Input should be greater than or equal to 1"),
        (
            {"learning_rate": {"low": 0.1, "high": 20.0}},
            "'learning_rate' in ranges cannot be 20.0: .* less than",
        ),
        ({"learning_rate": {"low": 0, "high": 1}}, "'learning_rate' in ranges cannot be 0: .* greater than 0"),
        (
            {"patience": {"low": 1.0, "high": 5.0}},
            "'patience' in ranges cannot be 1.0: Input should be a valid integer",
        ),
        (
            {"schedule": {"low": 1, "high": 2}},
            "'schedule' in ranges cannot be 1: .* 'cosine' or 'constant'",
        ),
        ({"ema": {"choices": [None, 0.9]}}, "'ema' in ranges cannot be 0.9: ema averages whole weights"),
    ],
)
def test_a_range_beyond_what_an_option_may_be_is_refused_when_the_file_is_read(
    given: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingOptions.model_validate({"strategy": "fsdp", "devices": 2, "search": {"ranges": given}})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("learning_rat", "'learning_rat' in ranges is not an option of this kind; a search can vary epochs, "),
        ("precision", "'precision' in ranges is the same for all trials; a search can vary epochs, "),
        ("search", "'search' in ranges is the same for all trials"),
    ],
)
def test_what_a_trial_cannot_vary_is_refused_with_what_it_can(name: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingOptions.model_validate({"search": {"ranges": {name: {"choices": ["auto"]}}}})


@pytest.mark.parametrize("bad", [{"low": 1}, {"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}, {}])
def test_a_range_is_one_whole_form(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"low|choices"):
        wanted(learning_rate=bad)
