"""Search for better training options with Optuna: seeded, pruned by epoch, within a time budget, resumable.

The study is a journal file beside the trials' checkpoints; a trial that a kill interrupted is tried again and goes on
from its checkpoint. Whoever keeps records (MLflow child runs) reads ``trials.json``: this module knows nobody.
"""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from pydantic import TypeAdapter

from components.artefacts.errors import TrainingError
from components.artefacts.storage import digest_json, write_atomically
from components.training.options import TrainingOptions
from components.training.results import Trial
from components.training.search_options import Range, SearchOptions

Options = TypeVar("Options", bound=TrainingOptions)
# (epoch, score); raises to end a trial that will not win.
Watch = Callable[[int, float], None]


class Ended(Exception):
    """A trial that the search ends; not an error."""


def search(
    base: Options,
    wanted: SearchOptions,
    run: Callable[[Options, Path, Watch], float],
    folder: Path,
    *,
    seed: int,
    report: Callable[[int, int], None],
) -> tuple[Options, Path]:
    """Return the options with the highest score that ``run`` found, and the folder of their trial.

    ``run`` trains with some options in a folder of their own and returns the score, higher is better. TrainingError if
    no trial finished.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study = _open_study(folder, seed)
    ends = time.monotonic() + wanted.minutes * 60 - _spent(study)
    while (done := _count(study)) < wanted.trials and time.monotonic() < ends:
        report(done, wanted.trials)
        _run_trial(study, base, wanted, run, folder, ends)
        _write_trials(study, wanted.ranges, folder)
    report(_count(study), wanted.trials)
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not finished:
        raise TrainingError(f"none of the search's trials finished within {wanted.minutes:g} min: give it more time")
    best = study.best_trial
    return _with(base, best.params, wanted.ranges), folder / _place(best.params)


def _open_study(folder: Path, seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / "study.journal"))),
        study_name="search",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        load_if_exists=True,
    )
    # A seed for each part of an interrupted search: its later draws must not repeat the earlier ones.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.get_trials(deepcopy=False)))
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={"again": True})
    return study


def _run_trial(
    study: optuna.Study,
    base: Options,
    wanted: SearchOptions,
    run: Callable[[Options, Path, Watch], float],
    folder: Path,
    ends: float,
) -> None:
    trial = study.ask()
    params = {name: _suggest(trial, name, allowed) for name, allowed in wanted.ranges.items()}

    def watch(epoch: int, score: float) -> None:
        trial.report(score, epoch)
        if trial.should_prune() or time.monotonic() > ends:
            raise Ended

    try:
        score = run(_with(base, params, wanted.ranges), folder / _place(params), watch)
    except Ended:
        study.tell(trial, state=TrialState.PRUNED)
    except TrainingError:
        # Options under which training breaks down are an answer, too.
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, score)


def _suggest(trial: optuna.Trial, name: str, allowed: Range) -> Any:
    if allowed.choices:
        # Optuna keeps numbers and texts: the place in the list stands for any other value.
        return trial.suggest_categorical(name, list(range(len(allowed.choices))))
    low, high = allowed.low, allowed.high
    assert low is not None, "a range without choices has bounds"
    assert high is not None, "a range without choices has bounds"
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=allowed.log)
    return trial.suggest_float(name, low, high, log=allowed.log)


def _values(params: Mapping[str, Any], ranges: Mapping[str, Range]) -> dict[str, Any]:
    return {
        name: ranges[name].choices[value] if ranges[name].choices else value
        for name, value in params.items()
        if name in ranges
    }


def _with(base: Options, params: Mapping[str, Any], ranges: Mapping[str, Range]) -> Options:
    return type(base).model_validate(base.model_dump() | _values(params, ranges))


def _place(params: Mapping[str, Any]) -> str:
    return f"trial-{digest_json(dict(params))[:12]}"


def _count(study: optuna.Study) -> int:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    # One that a kill interrupted is tried again under a new number.
    return len(trials) - sum(bool(trial.user_attrs.get("again")) for trial in trials)


def _seconds(trial: FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration is not None else 0.0


def _spent(study: optuna.Study) -> float:
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    return sum(_seconds(trial) for trial in study.get_trials(deepcopy=False, states=states))


def _write_trials(study: optuna.Study, ranges: Mapping[str, Range], folder: Path) -> None:
    names: dict[TrialState, Literal["finished", "pruned", "failed"]] = {
        TrialState.COMPLETE: "finished",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
    }
    results = [
        Trial(
            number=trial.number,
            options=_values(trial.params, ranges),
            state=names[trial.state],
            score=trial.value if trial.state == TrialState.COMPLETE else None,
            scores=tuple(score for _, score in sorted(trial.intermediate_values.items())),
            started=trial.datetime_start.astimezone() if trial.datetime_start else None,
            seconds=round(_seconds(trial), 3),
        )
        for trial in study.get_trials(deepcopy=False)
        if trial.state in names
    ]
    write_atomically(folder / "trials.json", TypeAdapter(list[Trial]).dump_json(results, indent=2))
