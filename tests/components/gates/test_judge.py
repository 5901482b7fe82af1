"""A gate passes, fails or says that it cannot tell; every refusal says what would pass."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.declaration.loading import read_workload
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence, Measure, read_evidence, write_evidence
from components.gates.judge import Context, GateReport, Verdict, judge, promotion_gates
from components.gates.promotion_evidence import LiveMeasures, promotion_evidence


def measured(name: str, value: float, error: float = 0.0, n: int = 28_000) -> Measure:
    """Return a measure with a symmetric 95 % interval of that standard error."""
    reach = 1.959964 * error
    return Measure(name=name, value=value, low=value - reach, high=value + reach, n=n, source="test")


GOOD = {
    "auc": measured("auc", 0.68, 0.004),
    "gain_over_base_rate": measured("gain_over_base_rate", 0.18, 0.004),
    "gain_over_baseline": measured("gain_over_baseline", 0.002, 0.001),
    "calibration_error": measured("calibration_error", 0.02),
    "parity": measured("parity", 2e-7),
    "training_usd": measured("training_usd", 0.01),
}


def evidence(**changed: Measure | None) -> Evidence:
    """Return evidence that passes, with some measures changed or taken away."""
    measures = tuple(measure for measure in (GOOD | changed).values() if measure is not None)
    return Evidence(workload="flights", model="mlp", split="test", measures=measures)


def verdict(report: GateReport, gate: str) -> Verdict:
    return next(verdict for verdict in report.verdicts if verdict.gate == gate)


def judged_at_promotion(workload: Workload, build: GateReport, **changed: Any) -> GateReport:
    """Judge a promotion in which all is well but for what is changed."""
    good: dict[str, Any] = {
        "environment": [],
        "broken_rungs": 0,
        "live_parity": 0.0,
        "latency_p95_ms": 9.0,
        "serving_usd_per_1000": 0.001,
    }
    return promotion_gates(workload, promotion_evidence("flights", "mlp", build, LiveMeasures(**(good | changed))))


@pytest.fixture(scope="module")
def flights() -> Workload:
    """Return flights with limits that the figures of these tests lie beside."""
    workload = read_workload("flights")
    statement = workload.goal.statement.replace("0.60", "0.66")
    goal = workload.goal.model_copy(update={"statement": statement, "threshold": 0.66, "unit": None})
    gates = workload.gates.model_copy(update={"calibration_error": 0.05})
    return workload.model_copy(update={"goal": goal, "gates": gates})


def test_good_evidence_passes_every_gate(flights: Workload) -> None:
    report = judge(evidence(), flights)
    assert report.passed, [verdict.line for verdict in report.refused]
    assert report.goal == flights.goal.statement
    assert report.warnings == ()
    assert verdict(report, "goal").quote == flights.goal.statement


@pytest.mark.parametrize(
    ("gate", "name", "value", "error"),
    [
        ("goal", "auc", 0.62, 0.004),
        ("base-rate", "gain_over_base_rate", -0.02, 0.004),
        ("baseline", "gain_over_baseline", -0.02, 0.004),
        ("calibration", "calibration_error", 0.2, 0.0),
        ("parity", "parity", 1e-3, 0.0),
        ("training-cost", "training_usd", 0.25, 0.0),
    ],
)
def test_one_bad_figure_fails_its_gate_and_only_that(
    flights: Workload, gate: str, name: str, value: float, error: float
) -> None:
    report = judge(evidence(**{name: measured(name, value, error)}), flights)
    assert [verdict.gate for verdict in report.refused] == [gate]
    assert report.refused[0].state == "failed"
    assert report.refused[0].would_pass.startswith("would pass with")
    assert not report.passed


figures = st.one_of(
    st.none(),
    st.tuples(st.floats(-1, 1), st.sampled_from([0.0, 1e-4, 0.004, 0.1]), st.sampled_from([5, 99, 100, 28_000])),
)


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(GOOD, figures)), st.lists(st.floats(-0.5, 0.5), max_size=3))
def test_every_refusal_says_why_and_what_would_pass_whatever_was_measured(
    flights: Workload, changed: dict[str, tuple[float, float, int] | None], slices: list[float]
) -> None:
    found: dict[str, Measure | None] = {
        name: None if figure is None else measured(name, figure[0], figure[1], figure[2])
        for name, figure in changed.items()
    }
    gains = [
        measured("gain_over_baseline", value, 0.01).model_copy(update={"slice": f"origin={place}"})
        for place, value in enumerate(slices)
    ]
    report = judge(evidence(**found).with_measures(*gains), flights)
    assert report.passed == (not report.refused)
    for refused in report.refused:
        assert refused.reason
        assert refused.would_pass, refused.line
        assert "\n" not in refused.line
        assert "nan" not in refused.line


def test_a_value_too_close_to_call_is_undecided_and_says_how_many_rows_would_decide(flights: Workload) -> None:
    report = judge(evidence(auc=measured("auc", 0.663, 0.004)), flights)
    goal = verdict(report, "goal")
    assert goal.state == "undecided"
    # (1.645 + 0.842) standard errors of 0.004 tell 0.00995 from the limit; 0.003 needs 11 times the rows.
    assert goal.detectable == pytest.approx(0.00995, abs=1e-5)
    assert goal.rows_needed == pytest.approx(28_000 * (0.009946 / 0.003) ** 2, rel=1e-3)
    assert "would pass with at least 0.6666 on 28,000 rows" in goal.would_pass
    assert not report.passed


def test_a_value_that_cannot_be_is_not_asked_for(flights: Workload) -> None:
    """The bound of an interval of 120 rows would ask for an AUC of 1.07, and for an error below zero."""
    report = judge(
        evidence(
            auc=measured("auc", 0.62, 0.25, 120), calibration_error=measured("calibration_error", 0.06, 0.04, 120)
        ),
        flights,
    )
    goal, calibration = verdict(report, "goal").would_pass, verdict(report, "calibration").would_pass
    # 1.645 x 0.25 either way, of which a perfect 1 leaves 0.34 above the limit: (0.4112 / 0.34) ** 2 as many rows.
    assert (
        "nothing could pass on 120 rows, which tell the AUC to 0.4112 either way: it takes more than 176 rows" in goal
    )
    assert "nothing could pass on 120 rows" in calibration
    possible = judge(evidence(auc=measured("auc", 0.62, 0.2, 120)), flights)
    assert "would pass with at least 0.989 on 120 rows" in verdict(possible, "goal").would_pass


def test_undecided_passes_only_if_the_workload_file_says_so(flights: Workload) -> None:
    lenient = flights.model_copy(update={"gates": flights.gates.model_copy(update={"undecided": "pass"})})
    unsure = evidence(auc=measured("auc", 0.663, 0.004))
    assert judge(unsure, lenient).passed
    assert not judge(evidence(auc=measured("auc", 0.60, 0.004)), lenient).passed


def test_what_was_not_measured_is_never_passed(flights: Workload) -> None:
    report = judge(evidence(parity=None), flights)
    assert verdict(report, "parity").state == "undecided"
    assert "was not measured" in verdict(report, "parity").reason
    assert judge(evidence(parity=None), flights, Context(measures=(GOOD["parity"],))).passed


def test_promotion_judges_what_only_the_serving_machine_shows(flights: Workload) -> None:
    build = judge(evidence(), flights)
    assert judged_at_promotion(flights, build).passed
    for key, bad, gate in (
        ("environment", ["polars 2.1.0 -> 2.0.0"], "environment"),
        ("broken_rungs", 1, "parity-ladder"),
        ("live_parity", 0.1, "live-parity"),
        ("latency_p95_ms", 51.0, "latency"),
        ("serving_usd_per_1000", 0.02, "serving-cost"),
    ):
        report = judged_at_promotion(flights, build, **{key: bad})
        assert [verdict.gate for verdict in report.refused] == [gate]
    refused = judge(evidence(auc=measured("auc", 0.5, 0.001)), flights)
    report = judged_at_promotion(flights, refused)
    assert "goal" in report.refused[0].reason


def test_a_perfect_score_on_ten_rows_proves_nothing(flights: Workload) -> None:
    perfect = judge(evidence(auc=measured("auc", 1.0, n=10)), flights)
    assert verdict(perfect, "goal").state == "undecided"
    assert verdict(perfect, "goal").would_pass == "judge on at least 100 rows"


def test_a_constant_answer_gains_nothing_and_that_is_not_enough(flights: Workload) -> None:
    report = judge(evidence(gain_over_base_rate=measured("gain_over_base_rate", 0.0)), flights)
    assert verdict(report, "base-rate").state == "failed"
    assert "as good as the constant answer: it must be better" in verdict(report, "base-rate").reason


def test_a_report_that_is_refused_without_saying_why_is_not_promoted(flights: Workload) -> None:
    refused = GateReport(verdicts=(), passed=False, goal=flights.goal.statement)
    report = judged_at_promotion(flights, refused)
    assert [verdict.gate for verdict in report.refused] == ["build-gates"]


def test_evidence_survives_its_file(tmp_path: Path) -> None:
    written = evidence()
    assert read_evidence(write_evidence(tmp_path / "evidence.json", written)) == written


def sliced(gains: list[float], error: float = 0.01, n: int = 300) -> Evidence:
    """Return evidence that passes but for the gains over the baseline of its slices."""
    return evidence().with_measures(
        *(
            measured("gain_over_baseline", value, error, n).model_copy(update={"slice": f"origin={place}"})
            for place, value in enumerate(gains)
        )
    )


def test_a_refused_slice_says_from_which_value_on_it_would_pass(flights: Workload) -> None:
    refused = verdict(judge(sliced([-0.06, 0.0, 0.0, 0.0]), flights), "slices")
    # The critical value of the smallest of four p-values is that of 0.05 / 4: 2.2414 standard errors below -0.02.
    assert refused.would_pass.startswith("would pass with origin=0 at most 0.04241 worse on 300 rows; ")
    assert verdict(judge(sliced([-0.0424, 0.0, 0.0, 0.0]), flights), "slices").state == "passed"
    assert verdict(judge(sliced([-0.0425, 0.0, 0.0, 0.0]), flights), "slices").state == "failed"


def test_a_floor_of_slices_says_how_much_less_a_slice_gains_and_in_which_unit(flights: Workload) -> None:
    aims = {"statement": f"{flights.goal.statement} MAE at most 20.", "metric": "mae", "direction": "at_most"}
    goal = flights.goal.model_copy(update={**aims, "threshold": 20.0})
    hours = flights.model_copy(
        update={"goal": goal, "gates": flights.gates.model_copy(update={"slice_gap": 60.0, "slice_margin": 3.0})}
    )

    def asked(*gains: float) -> str:
        measures = [measured("gain_over_base_rate", gain, 0.5, 300) for gain in (17.34, *gains)]
        named = [measures[0], *(m.model_copy(update={"slice": f"courier={i}"}) for i, m in enumerate(measures[1:]))]
        given = evidence(mae=measured("mae", 14.0, 0.5)).model_copy(update={"unit": "hours"})
        whole = tuple(m for m in given.measures if m.name != "gain_over_base_rate")
        return verdict(judge(given.model_copy(update={"measures": (*whole, *named)}), hours), "slice-floor").reason

    limit = "gain more than 60 hours less in mean absolute error over the constant answer than on the whole"
    assert f"In none of 2 slices does the model surely {limit} (17.34 hours better)" in asked(15.31, 20.0)
    assert f"In courier=0, the one slice that can be judged, the model does not surely {limit}" in asked(15.31)
    assert "In 1 of 2 slices the model surely gains more than 60 hours less" in asked(-60.0, 20.0)
    assert "The mean absolute error is 14 hours, surely at most 14.82 hours: at most 20 hours is asked." in (
        verdict(
            judge(evidence(mae=measured("mae", 14.0, 0.5)).model_copy(update={"unit": "hours"}), hours), "goal"
        ).reason
    )


def gains_over_champion(whole: float, slices: list[float], error: float = 0.003) -> list[Measure]:
    """Return gains over the champion on the whole and on slices, of that standard error."""
    named = [measured("gain_over_champion", value, error) for value in (whole, *slices)]
    return [named[0], *(m.model_copy(update={"slice": f"origin={i}"}) for i, m in enumerate(named[1:]))]


@pytest.mark.parametrize(
    ("whole", "slices", "refused"),
    [
        (0.01, [0.01, 0.0, 0.02], []),
        (-0.02, [-0.02, -0.02, -0.02], ["champion"]),
        (0.01, [0.02, -0.05, 0.01], ["champion-slices"]),
    ],
)
def test_a_promotion_is_judged_against_the_champion_on_the_whole_and_in_every_slice(
    flights: Workload, whole: float, slices: list[float], refused: list[str]
) -> None:
    build = judge(evidence(), flights)
    report = judged_at_promotion(flights, build, champion=gains_over_champion(whole, slices))
    assert [verdict.gate for verdict in report.refused] == refused
    if "champion-slices" in refused:
        assert "In 1 of 3 slices the model is surely more than 0.02 worse in AUC than the champion" in (
            report.refused[0].reason
        )
        assert "origin=1 (0.05 worse" in report.refused[0].reason


def test_a_promotion_says_the_unit_of_a_gain_over_the_champion(flights: Workload) -> None:
    aims = {"statement": f"{flights.goal.statement} MAE at most 20.", "metric": "mae", "direction": "at_most"}
    goal = flights.goal.model_copy(update={**aims, "threshold": 20.0})
    hours, build = flights.model_copy(update={"goal": goal}), judge(evidence(), flights)
    seen = LiveMeasures(
        environment=[],
        broken_rungs=0,
        live_parity=0.0,
        latency_p95_ms=9.0,
        serving_usd_per_1000=0.001,
        champion=gains_over_champion(2.0, []),
    )
    given = promotion_evidence("flights", "m", build, seen)
    said = verdict(promotion_gates(hours, given.model_copy(update={"unit": "hours"})), "champion").reason
    assert said.startswith("In mean absolute error the model is 2 hours better than the champion")


def test_a_slice_of_few_rows_decides_nothing_and_is_named(flights: Workload) -> None:
    broken = measured("gain_over_baseline", -0.5, 0.01, 99).model_copy(update={"slice": "carrier=HA"})
    verdicts = {v.gate: v for v in judge(sliced([0.0, 0.0]).with_measures(broken), flights).verdicts}
    assert verdicts["slices"].state == "passed"
    assert verdicts["slices"].reason.startswith("In none of 2 slices is the model surely more than 0.02 worse in AUC")
    assert "Too small to be judged: carrier=HA (99)." in verdicts["slices"].reason
    enough = broken.model_copy(update={"n": 100})
    assert verdict(judge(sliced([0.0, 0.0]).with_measures(enough), flights), "slices").state == "failed"
    nothing = verdict(judge(sliced([0.0, -0.5], n=99), flights), "slices")
    assert (nothing.state, nothing.would_pass) == ("undecided", "judge on at least 100 rows of a slice")
    assert (
        "Every slice rests on fewer than 100 rows or 10 days or groups: origin=0 (99), origin=1 (99)" in nothing.reason
    )


@pytest.mark.parametrize(
    ("value", "error", "n", "state"),
    [
        (0.03, 0.002, 28_000, "passed"),
        (0.048, 0.003, 28_000, "undecided"),
        (0.09, 0.003, 28_000, "failed"),
        (0.01, 0.002, 99, "undecided"),
    ],
)
def test_calibration_is_judged_by_its_interval(
    flights: Workload, value: float, error: float, n: int, state: str
) -> None:
    report = judge(evidence(calibration_error=measured("calibration_error", value, error, n)), flights)
    assert verdict(report, "calibration").state == state


def test_what_is_refused_for_proven_harm_says_what_was_proven_and_what_would_pass(flights: Workload) -> None:
    def asked(value: float) -> Verdict:
        return verdict(judge(evidence(gap=measured("fairness_gap", value, 0.02, 1200)), flights), "fairness")

    passed, failed = asked(0.12), asked(0.1787)
    assert passed.state == "passed"
    assert passed.reason == "The largest gap between groups is 0.12, not surely above 0.1: at most 0.1 is asked."
    assert "one-sided 95 % bounds 0.0871 and" in passed.figures
    assert failed.state == "failed"
    assert "is 0.1787, surely at least 0.1458: at most 0.1 is asked" in failed.reason
    assert failed.would_pass.startswith("would pass with at most 0.1329 on 1,200 rows; ")
    # The remedy is the limit of what passes.
    assert asked(0.1328).state == "passed"
    assert asked(0.133).state == "failed"


def test_what_is_provably_worse_but_within_the_margin_passes_with_a_warning(flights: Workload) -> None:
    worse = measured("gain_over_baseline", -0.005, 0.001).model_copy(update={"detail": "xgboost"})
    report = judge(evidence(gain_over_baseline=worse), flights)
    assert report.passed
    (warning,) = report.warnings
    assert warning == verdict(report, "baseline").warning
    assert warning in verdict(report, "baseline").line
    assert warning.startswith("baseline passed within its margin of 0.01, but what ships is provably worse")
    assert "than the baseline model (xgboost): by 0.005 in AUC, surely by at least 0.003355; package the bas" in warning
    unsure = measured("gain_over_baseline", -0.0005, 0.001)
    assert judge(evidence(gain_over_baseline=unsure), flights).warnings == ()
    champion = judged_at_promotion(flights, report, champion=[measured("gain_over_champion", -0.002, 0.0005)])
    assert champion.passed
    assert "champion passed within its margin of 0.005" in champion.warnings[0]
