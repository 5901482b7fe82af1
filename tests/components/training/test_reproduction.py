from pathlib import Path

from components.training.reproduction import compare_trainings
from components.training.results import Candidate, HardwareChoice, Trained


def trained(digest: str = "a", *, score: float = 0.7, threads: int = 2, stopped: str = "finished") -> Trained:
    candidate = Candidate(
        name="network",
        family="lightning",
        model=Path("m"),
        digest=digest,
        predictions=Path("p"),
        score=score,
        seconds=1.0,
    )
    hardware = HardwareChoice(device="cpu", precision="32-true", compile=False, threads=threads, reason="a test")
    return Trained.model_validate(
        {
            "digest": digest,
            "path": Path(),
            "candidates": (candidate,),
            "chosen": "network",
            "comparison": None,
            "hardware": hardware,
            "stopped": stopped,
            "epochs": 1,
            "seconds": 1.0,
            "cost_usd": 0.0,
            "peak_memory_mb": 1.0,
            "seed": 1,
        }
    )


def test_the_same_bytes_are_a_reproduction_whatever_it_took() -> None:
    verdict = compare_trainings(trained(), trained(threads=1))
    assert verdict.same
    assert verdict.differences == ()


def test_another_model_is_named_with_both_scores_and_what_changed() -> None:
    verdict = compare_trainings(trained(), trained("b", score=0.69, threads=1, stopped="time cap"))
    assert not verdict.same
    assert verdict.differences == (
        "candidate network is another model (score 0.700000 recorded, 0.690000 now)",
        "hardware.threads was 2, now 1",
        "a cap ended training (finished, now time cap): where depends on the clock",
    )
    assert round(verdict.largest_score_difference, 9) == 0.01
