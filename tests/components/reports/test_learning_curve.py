"""How the network learnt is part of the evidence and drawn on the dossier's page."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from components.declaration.loading import read_workload
from components.evaluation.evaluate import _learning
from components.reports.charts import learning
from components.reports.dossier import render_dossier
from components.training.results import Candidate, Epoch, HardwareChoice, Trained
from tests.components.reports.test_dossier import subject

LOSSES = ((0.61, 0.58), (0.59, 0.571), (0.572, 0.574), (0.56, 0.579), (0.55, 0.58))
SCORES = (0.66, 0.68, 0.67, 0.68, 0.66)
TRAINED = Trained(
    digest="a",
    path=Path(),
    candidates=(
        Candidate(
            name="network",
            role="challenger",
            model=Path(),
            digest="b",
            predictions=Path(),
            score=0.68,
            seconds=1,
            stopped="early stopping",
            curve=tuple(
                Epoch(training_loss=training, validation_loss=validation, score=score)
                for (training, validation), score in zip(LOSSES, SCORES, strict=True)
            ),
        ),
    ),
    chosen="network",
    comparison=None,
    hardware=HardwareChoice(device="cpu", precision="32-true", compile=False, threads=1, reason="a test"),
    seconds=12.0,
    cost_usd=0.01,
    seed=1,
)


def test_the_kept_epoch_is_the_first_of_the_best() -> None:
    assert TRAINED.best.kept_epoch == 2
    assert TRAINED.best.model_copy(update={"curve": ()}).kept_epoch is None


def test_the_evidence_holds_the_choice_of_hardware_with_its_reason() -> None:
    assert _learning(TRAINED)["learning"][0]["hardware"]["reason"] == "a test"


def test_the_page_draws_both_losses_and_says_which_epoch_was_kept_and_what_ended_it() -> None:
    given = subject(read_workload("flights"))
    evidence = given.evidence.model_copy(update={"tables": given.evidence.tables | _learning(TRAINED)})
    page = render_dossier(replace(given, evidence=evidence, trained=TRAINED))
    assert "epoch 2 of 5 (dashed), the best by auc; ended by early stopping." in page
    (chart,) = re.findall(r'<svg[^>]*aria-label="learning curve".*?</svg>', page, flags=re.DOTALL)
    notes = [title.text for title in ElementTree.fromstring(chart).iter("title")]
    assert notes[1] == "epoch 2: validation 0.571, training 0.59"
    assert len(notes) == 5
    assert "learning curve" not in render_dossier(replace(given, trained=TRAINED))


def test_ticks_tell_losses_apart_that_are_close_and_epochs_are_whole() -> None:
    texts = re.findall(r">([\d.]+)</text>", learning([(0.4410, 0.4405), (0.4401, 0.4400)], kept=2))
    assert texts[:5] == ["0", "1", "2", "3", "4"]
    assert len(set(texts[5:])) == len(texts[5:]) > 3
