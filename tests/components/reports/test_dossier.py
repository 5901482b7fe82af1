"""The dossier holds what matters, opens without a network, and is not broken by what the data contains."""

import base64
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from components.data.results import Expected, FieldShift, Prepared, Split, Validated
from components.declaration.loading import contract_of, read_workload
from components.declaration.workload import Workload
from components.evaluation.evidence import Evidence, Measure
from components.gates.judge import judge
from components.reports.charts import labels, rounded, ticks
from components.reports.dossier import render_dossier
from components.reports.numbers import signed
from components.reports.subject import Subject
from data_contracts.language.validation import ExpectationResult

RAIN = {
    "name": "rain",
    "expect": "higher",
    "changed": "rain + 1",
    "asked": "more than 0.5 up on average",
    "rows": 10,
    "passed": False,
    "found": "moves by -0.1",
}


def subject(workload: Workload, auc: float = 0.68) -> Subject:
    """Return a dossier's subject with one of everything; a slice has a name that would break careless HTML."""

    def measured(name: str, value: float, slice: str | None = None, reach: float = 0.004) -> Measure:
        low, high = value - reach, value + reach
        return Measure(name=name, value=value, low=low, high=high, n=1000, slice=slice, source="test")

    measures = (
        measured("auc", auc),
        measured("auc", 0.60, slice="origin=<script>alert(1)</script>"),
        measured("auc", 0.72, slice="origin=JFK"),
        measured("auc_by_day", auc, reach=0.05).model_copy(update={"by": "day", "units": 31}),
        measured("gain_over_base_rate", 0.18),
        measured("gain_over_baseline", 0.01),
        Measure(name="calibration_error", value=0.01, source="test"),
        Measure(name="parity", value=0.0, source="test"),
        Measure(name="training_usd", value=0.01, source="test"),
    )
    tables = {
        "curves": {"roc": [[0, 0], [0.5, 0.7], [1, 1]], "precision_recall": [[0, 1], [1, 0.2]]},
        "calibration": [{"n": 500, "mean": 0.1, "rate": 0.12}, {"n": 500, "mean": 0.4, "rate": 0.38}],
        "confusion": {
            "threshold": 0.5,
            "true_no": 700,
            "false_yes": 50,
            "missed_yes": 150,
            "true_yes": 100,
            "precision": 0.67,
            "recall": 0.4,
        },
        "slices_too_small": ["carrier=HA"],
        "weak_slices": [
            {
                "slice": "distance=0 to 9",
                "n": 400,
                "metric": "auc",
                "value": 0.55,
                "z": 5.1,
                "proven": True,
                "tried": 90,
            }
        ],
        "importance": [{"field": "origin", "loss": 0.02, "deviation": 0.001}],
        "behaviour": [RAIN],
    }
    evidence = Evidence(workload="flights", model="mlp", split="test", measures=measures, tables=tables)
    return Subject(workload, contract_of(workload), evidence, judge(evidence, workload), lineage={"code": "abc123"})


@pytest.fixture(scope="module")
def flights() -> Workload:
    workload = read_workload("flights")
    return workload.model_copy(update={"goal": workload.goal.model_copy(update={"unit": None})})


def test_a_dossier_is_one_page_that_fetches_nothing(flights: Workload) -> None:
    page = render_dossier(subject(flights))
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", page)
    assert "@import" not in page
    assert "url(" not in page
    assert "<script" not in page


def test_names_from_the_data_cannot_become_markup(flights: Workload) -> None:
    page = render_dossier(subject(flights))
    assert "&lt;script&gt;alert(1)" in page


def test_every_chart_is_well_formed(flights: Workload) -> None:
    charts = re.findall(r"<svg.*?</svg>", render_dossier(subject(flights)), flags=re.DOTALL)
    labels = [ElementTree.fromstring(chart).attrib.get("aria-label") for chart in charts]
    assert [label for label in labels if label] == ["ROC curve", "precision-recall curve", "calibration curve of yes"]
    # The rest are the marks of rows: two slices beside the whole, and one field.
    assert labels.count(None) == 4


def test_no_chart_needs_more_room_than_a_telephone_has(flights: Workload) -> None:
    """A chart is drawn in at most 340 units at the page's size of text, or in shares of the room that there is."""
    page = render_dossier(subject(flights))
    for box in re.findall(r'viewBox="0 0 (\d+)', page):
        assert int(box) <= 340
    rows = re.findall(r'<svg class="row".*?</svg>', page)
    assert len(rows) == 4
    for row in rows:
        assert set(re.findall(r' (?:x1|x2|cx|width)="[\d.]+(%?)"', row)) == {"%"}
    assert not re.search(r"(?<!max-)(?<!min-)width: \d{3,}px", page)


def test_a_refused_build_says_so_first_and_names_what_would_pass(flights: Workload) -> None:
    refused = subject(flights, auc=0.55)
    page = render_dossier(refused)
    assert "Refused" in page
    assert "goal (failed)" in page
    assert refused.report.refused[0].would_pass[1:] in page
    assert "Every gate passed" in render_dossier(subject(flights))


def test_the_page_warns_that_days_differ_more_than_rows_and_what_is_not_known(flights: Workload) -> None:
    page = render_dossier(subject(flights))
    declared = flights.model_copy(update={"goal": flights.goal.model_copy(update={"unit": "row"})})
    warned = render_dossier(subject(declared))
    assert "Rows of one day are alike, and goal.unit says row: auc is judged as 0.676 to 0.684" in warned
    assert "Rows of one day are alike" not in page
    assert "Nothing is known about these slices: carrier=HA" in page
    assert "provably weaker than on the whole where distance=0 to 9" in page


def test_a_gate_that_passed_with_a_warning_shows_it_at_the_gate_and_at_the_top(flights: Workload) -> None:
    one = subject(flights)
    worse = Measure(name="gain_over_baseline", value=-0.006, low=-0.008, high=-0.004, n=1000, source="test")
    measures = [worse if measure.name == worse.name else measure for measure in one.evidence.measures]
    evidence = one.evidence.model_copy(update={"measures": tuple(measures)})
    report = judge(evidence, flights)
    assert report.passed
    page = render_dossier(replace(one, evidence=evidence, report=report))
    assert "with 1 warning" in page
    assert '<div class="warned">baseline passed within its margin of 0.01' in page
    assert "Baseline passed within its margin of 0.01" in page
    assert '<div class="warned">' not in render_dossier(one)


def test_the_first_card_says_what_the_model_is_good_for_and_where_it_fails(flights: Workload) -> None:
    one = subject(flights)
    said = {"good_for": ("Ranking: fair.",), "fails": ("Worse than guessing on Tuesdays",), "warnings": ("A", "B")}
    page = render_dossier(replace(one, report=one.report.model_copy(update=said)))
    top = page[: page.index('id="gates"')]
    assert "Passed, with warnings" in top
    assert "Every gate passed" not in page
    assert top.index("Ranking: fair.") < top.index("Worse than guessing on Tuesdays") < top.index('class="cards"')


def test_the_figures_of_a_verdict_are_one_click_away(flights: Workload) -> None:
    page = render_dossier(subject(flights))
    assert re.search(
        r"The AUC is 0\.68, surely at least.*?<details><summary>figures</summary>auc 0\.68; one-s", page, re.S
    )


def test_slices_are_drawn_worst_first_and_the_provably_bad_one_is_red(flights: Workload) -> None:
    page = render_dossier(subject(flights))
    assert page.index("origin=&lt;script") < page.index("origin=JFK")
    assert page.count('class="dot bad"') == 1


def sliced(given: Subject, **slices: Measure) -> Subject:
    """Return a subject with other slices of the goal's metric."""
    metric = given.workload.goal.metric
    whole = [m for m in given.evidence.measures if m.name != metric or m.slice is None]
    measures = tuple(m.model_copy(update={"name": metric, "slice": name}) for name, m in slices.items())
    return replace(given, evidence=given.evidence.model_copy(update={"measures": (*whole, *measures)}))


def test_a_slice_that_no_gate_may_judge_is_not_called_worse_by_the_chart(flights: Workload) -> None:
    far = Measure(name="auc", value=0.4, low=0.39, high=0.41, n=99, source="test")
    page = render_dossier(sliced(subject(flights), small=far))
    assert 'class="dot bad"' not in page
    assert "99 rows, too few to judge" in page
    assert 'class="dot bad"' in render_dossier(sliced(subject(flights), large=far.model_copy(update={"n": 100})))


def test_of_errors_what_is_above_the_whole_is_worse_and_comes_first(flights: Workload) -> None:
    goal = flights.goal.model_copy(update={"metric": "mae", "direction": "at_most", "threshold": 20.0})
    hours = flights.model_copy(update={"goal": goal})

    def error(value: float) -> Measure:
        return Measure(name="mae", value=value, low=value - 0.5, high=value + 0.5, n=500, source="test")

    one = replace(subject(flights), workload=hours)
    evidence = one.evidence.with_measures(error(14.0)).model_copy(update={"unit": "hours"})
    page = render_dossier(sliced(replace(one, evidence=evidence), good=error(9.0), bad=error(21.0)))
    rows = page[page.index('aria-label="mae by slice"') :]
    assert re.findall(r'row-name">(.*?)<.*?dot (\w+)"', rows)[:3] == [
        ("the whole", "other"),
        ("bad", "bad"),
        ("good", "accent"),
    ]
    assert "mae, hours by slice, 95 % interval, rows; less is better" in page
    assert "needs at most 20 hours" in page


def test_the_table_of_behaviour_says_what_was_changed_and_asked(flights: Workload) -> None:
    page = render_dossier(subject(flights))
    assert "<td>rain</td><td>rain + 1</td><td>more than 0.5 up on average</td>" in page


def test_groups_that_were_not_compared_stand_in_the_table_and_in_the_gate(flights: Workload) -> None:
    one = subject(flights)
    groups = [
        {"group": "city=Oslo", "n": 400, "found": 0.9, "selected": 0.4},
        {"group": "city=Voss", "n": 12, "compared": False},
    ]
    evidence = one.evidence.model_copy(update={"tables": one.evidence.tables | {"groups": groups}})
    page = render_dossier(replace(one, evidence=evidence))
    assert re.search(r"city=Voss</td><td class=\"n\">12</td><td[^>]*>too few to be compared", page)


def test_ticks_are_round_and_written_without_exponents() -> None:
    assert labels(ticks(24.6, 173.2)) == ["0", "50", "100", "150", "200"]
    assert labels(ticks(0, 1)) == ["0", "0.25", "0.5", "0.75", "1"]
    assert labels(ticks(1_200, 9_000)) == ["0", "2,000", "4,000", "6,000", "8,000", "10,000"]
    assert len(set(labels(ticks(0.4400, 0.4410)))) == len(ticks(0.4400, 0.4410))
    assert len(ticks(3.0, 3.0)) > 1


def test_nothing_is_not_less_than_nothing() -> None:
    assert rounded([20.661, -0.001, 0.1]) == ["20.66", "0.00", "0.10"]
    assert rounded([0.0, -0.0]) == ["0", "0"]
    assert (signed(-0.00001), signed(0.0), signed(-0.02)) == ("0.0000", "0.0000", "-0.0200")


def test_what_the_data_was_is_shown_reasons_expectations_and_shifts(flights: Workload, tmp_path: Path) -> None:
    judged = ExpectationResult(
        expectation="ExpectColumnMeanToBeBetween",
        arguments={"column": "late", "min_value": 0.05},
        success=True,
        observed="0.24",
        basis="all rows",
    )
    validated = Validated(
        digest="a",
        path=tmp_path,
        mask=tmp_path,
        rows=900,
        quarantined=7,
        quarantine=tmp_path,
        reasons={"late: missing": 7},
    )
    split = Split(name="train", path=tmp_path, rows=900, positives=0.2)
    prepared = Prepared(
        digest="b",
        path=tmp_path,
        splits={"train": split},
        shifts=(FieldShift(field="temperature", split="test", distance=0.413),),
    )
    page = render_dossier(
        replace(subject(flights), validated=validated, expected=Expected(expectations=(judged,)), prepared=prepared)
    )
    assert re.search(r"late: missing</td><td class=\"n\">7<", page)
    assert "column mean to be between" in page
    assert re.search(r"temperature</code></td><td>test</td><td class=\"n\">0.413", page)


def test_pictures_of_a_kind_are_shown_and_nothing_else_is_taken_for_one(flights: Workload) -> None:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(16)).decode()
    shown = {"png": png, "note": "answered 3 <b>, is 8"}
    foreign = {"png": base64.b64encode(b"<svg onload=alert(1)>").decode(), "note": "no picture"}
    tables = {"pictures": [{"title": "Worst mistakes", "note": "by probability", "pictures": [shown, foreign]}]}
    asked = subject(flights)
    page = render_dossier(replace(asked, evidence=asked.evidence.model_copy(update={"tables": tables})))
    assert f'<img src="data:image/png;base64,{png}" alt="answered 3 &lt;b&gt;, is 8">' in page
    assert '<a href="#pictures">Pictures</a>' in page
    assert "no picture" not in page
    assert 'id="pictures"' not in render_dossier(asked)
