"""Train the candidates that a kind names, one after the other within one budget, and choose what may ship.

    ENTRIES = (Entry("linear", "baseline", learn_linear), Entry("network", "challenger", learn_network))
    trained = train_candidates(ENTRIES, validation, budget, folder, settings, progress)

A kind names its candidates freely, and a further one is one more entry: no code outside its folder knows their names.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from components.artefacts.storage import digest_json
from components.progress import Progress
from components.selection.keeping import Learnt, keep_candidate, kept_candidate
from components.selection.validation import Validation
from components.settings import Settings
from components.store.reference import Reference
from components.training.hardware import choose_hardware, probe_machine
from components.training.results import Candidate, Role, Trained
from components.training.spending import Budget, Meter


@dataclass(frozen=True)
class Run:
    """What a candidate is given to learn with: a folder of its own, what is left of the budget, whom to tell."""

    folder: Path
    budget: Budget
    threads: int
    # Epochs, trees or the like: done, and in all; a search tells of its trials under a name of its own.
    report: Callable[[int, int], None]
    progress: Progress


@dataclass(frozen=True)
class Entry:
    """A candidate as its kind names it. Entries stand by their cost: the earlier one ships, unless a later is better.

    A baseline is what every other candidate is compared with: a simple model that is known to do well. A challenger is
    what should be better.
    """

    name: str
    role: Role
    learn: Callable[[Run], Learnt]


def train_candidates(
    entries: Sequence[Entry],
    validation: Validation,
    budget: Budget,
    folder: Path,
    settings: Settings,
    progress: Progress,
    *,
    assets: Mapping[str, Reference] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Trained:
    """Return every entry's candidate and the chosen one; called again on ``folder``, it goes on where it was.

    ``assets`` are files that every candidate answers with, ``options`` the ``model`` section as it was declared.
    """
    started, threads = time.monotonic(), settings.threads or torch.get_num_threads()
    meter, earlier, candidates = Meter(threads), 0.0, list[Candidate]()
    for entry in entries:
        known = kept_candidate(folder, entry.name, entry.role, assets)
        if known is None:
            progress(entry.name, 0, 1)
            left = budget.less(earlier).less(meter.spent())
            run = Run(folder / entry.name, left, threads, partial(progress, entry.name), progress)
            learnt = entry.learn(run)
            known = keep_candidate(folder, entry.name, entry.role, learnt, validation.score, assets)
            progress(entry.name, 1, 1)
        else:
            # By a run that was killed after it.
            earlier += known.seconds
        candidates.append(known)
    chosen, comparison = validation.choose(candidates)
    used = [one.hardware for one in candidates if one.hardware is not None]
    seconds = max(time.monotonic() - started, sum(one.seconds for one in candidates))
    return Trained(
        digest=digest_json({"candidates": {one.name: one.digest for one in candidates}, "chosen": chosen}),
        stored=folder,
        candidates=tuple(candidates),
        chosen=chosen,
        comparison=comparison,
        hardware=used[-1] if used else choose_hardware(probe_machine(), precision="fp32", threads=settings.threads),
        options={**(options or {}), **{key: value for one in candidates for key, value in one.options.items()}},
        seconds=round(seconds, 3),
        cost_usd=round(seconds / 3600 * settings.price_per_hour, 6),
        seed=validation.seed,
    )
