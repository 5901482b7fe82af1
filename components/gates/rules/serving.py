"""Gates of serving that are asked when a build is made: rehearsed answers and the time of their stages."""

from typing import Any

from components.gates.registry import build_gate, promotion_gate
from components.gates.rule import Case, Rule, at_most, none_of


@promotion_gate("parity-ladder")
def parity_ladder(case: Case) -> Rule:
    """The golden rows are answered alike at every station from the trainer to HTTP."""
    return _no_broken_rung()


@build_gate("parity-ladder")
def rehearsed_parity_ladder(case: Case) -> Rule:
    """The same, where the build was rehearsed."""
    return _no_broken_rung(only_if_measured=True)


@build_gate("stage-budget")
def stage_budget(case: Case) -> Rule:
    """The p95 of the stages of a request come to no more than the goal's."""
    return _stages_within(case, "p95", case.goal.latency_p95_ms)


@build_gate("stage-budget-p99")
def stage_budget_p99(case: Case) -> Rule | None:
    """The same at p99, if the goal says one."""
    return None if case.goal.latency_p99_ms is None else _stages_within(case, "p99", case.goal.latency_p99_ms)


def _no_broken_rung(**more: Any) -> Rule:
    todo = "the named step changes the answers: look at what lies between it and the one before"
    return none_of("broken_rungs", "broken rungs of the parity ladder", todo, **more)


def _stages_within(case: Case, quantile: str, limit_ms: float) -> Rule:
    subject = f"the time of a request in ms, the {quantile} of its stages added up,"
    todo = "see which stage in the dossier or with slipway profile; serve a smaller model"
    measure, quote = f"stage_budget_{quantile}_ms", case.goal.statement
    return at_most(measure, limit_ms, subject, todo, quote=quote, only_if_measured=True)
