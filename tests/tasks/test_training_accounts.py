"""What a training takes is counted, and compared with what was estimated before it."""

from pathlib import Path

from components.builds.evidence import cost_measures
from components.catalog import find_kind
from components.declaration.loading import contract_of
from components.settings import Home, Settings
from components.training.costs.estimate import check_estimate
from components.training.part import TrainingPart
from tasks.estimate import estimate
from tests.tasks.staging import Staged, trained_of


def test_an_estimate_made_before_is_compared_with_what_the_training_took(staged: Staged, tmp_path: Path) -> None:
    home, settings = Home(tmp_path / "home"), Settings(threads=1, watts=36)
    said = estimate.fn(
        TrainingPart.of(staged.workload),
        staged.prepared,
        find_kind("tabular"),
        contract_of(staged.workload),
        home,
        settings,
    )
    trained = trained_of(staged.workload, staged.prepared, home, settings)
    check = trained.estimate
    assert check == check_estimate(said, trained)
    assert check is not None
    assert (check.seconds, check.taken_seconds) == (said.seconds, trained.seconds)
    assert check.off is not None
    assert (check.usd, check.taken_usd) == (said.usd, trained.cost_usd)
    assert f"at most {said.usd:.4f} USD said, {trained.cost_usd:.4f} taken" in check.text
    assert trained.memory is not None
    assert (check.memory_mb, check.taken_memory_mb) == (said.memory_mb, trained.memory.mb)
    assert f"{said.memory_mb:,.0f} MB said" in check.text
    assert set(check.parts) == {"xgboost", "linear", "network"}
    measured = staged.inputs.model_copy(update={"trained": trained})
    facts = {measure.name: measure for measure in cost_measures(measured)}
    assert facts["estimated_usd"].value == said.usd
    assert facts["estimated_memory_mb"].detail == check.memory_text
    assert facts["peak_memory_mb"].detail.startswith(trained.memory.source)
    assert trained.energy is not None
    # Nothing on a test machine need count energy; what is reckoned says so.
    assert trained.energy.source == "measured" or "36 W as stated" in trained.energy.detail
    assert trained.memory.mb >= trained.memory.before_mb > 0
    assert staged.trained.estimate is None

    # Finished before: what an earlier process spent is not known, and not made up.
    again = trained_of(staged.workload, staged.prepared, home, settings)
    assert again.digest == trained.digest
    assert again.memory is None
