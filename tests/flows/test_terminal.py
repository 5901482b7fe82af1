"""What a person sees of a promotion: verdicts, warnings, what is gained over the champion, and where it is kept."""

import io
import pickle
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.builds.live_check import LiveCheck
from components.declaration.loading import read_workload
from components.evaluation.evidence import Measure
from components.gates.judge import GateReport, promotion_gates
from components.gates.promotion_evidence import LiveMeasures, promotion_evidence
from components.promotion.promote import Promotion, PromotionRefused
from components.promotion.record import PromotionRecord
from components.promotion.rollback import RolledBack
from components.scoring.score import Scored
from flows.drawing import coloured, make_table, open_console
from flows.run_tables import print_promotion, print_refusal, print_rollback
from flows.serving_output import print_scored

LIVE = LiveCheck(
    rows=500,
    max_difference=0,
    latency_p50_ms=2,
    latency_p95_ms=3,
    latency_p99_ms=4,
    requests_per_second=400,
    start_seconds=1,
    usd_per_1000=0.001,
)


def gain(value: float, slice: str | None = None) -> Measure:
    return Measure(
        name="gain_over_champion",
        value=value,
        low=value - 0.001,
        high=value + 0.001,
        n=1000,
        slice=slice,
        source="promotion",
        unit="auc",
        detail="flights-old on the same rows",
    )


def test_a_promotion_shows_its_warnings_and_the_gain_over_the_champion_worst_slices_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    workload = read_workload("flights")
    slices = [gain(0.01 * place, f"carrier={place}") for place in range(9, -1, -1)]
    seen = LiveMeasures(
        environment=[],
        broken_rungs=0,
        live_parity=0,
        latency_p95_ms=3,
        serving_usd_per_1000=0.001,
        champion=[gain(-0.002), *slices],
    )
    passed = GateReport(verdicts=(), passed=True, goal=workload.goal.statement)
    evidence = promotion_evidence("flights", "flights-new", passed, seen)
    promotion = Promotion(
        build_id="flights-new",
        replaced="flights-old",
        live=LIVE,
        gates=promotion_gates(workload, evidence),
        gains=evidence.named("gain_over_champion"),
        evidence=tmp_path / "record.json",
        rollout=tmp_path / "flights.json",
        dry_run=False,
    )
    print_promotion("flights", promotion)
    said = capsys.readouterr().out
    assert "warning: champion passed within its margin of 0.005, but what ships is provably worse" in said
    _, table = said.split("Gain in auc over the champion flights-old on the same rows")
    places = [table.index(text) for text in ("the whole", "carrier=0 ", "carrier=1 ", "carrier=7 ")]
    assert places == sorted(places)
    assert "carrier=8 " not in table
    assert "and 2 slices with a larger gain" in said
    assert f"judged by  {tmp_path / 'record.json'}" in said
    assert "flights-new serves flights, instead of flights-old" in said
    print_promotion("flights", promotion.model_copy(update={"replaced": None, "served_already": True}))
    assert "flights-new serves flights, as it did before" in capsys.readouterr().out
    print_promotion("flights", promotion.model_copy(update={"replaced": None}))
    assert "flights-new serves flights, instead of nothing" in capsys.readouterr().out


def test_a_refused_promotion_prints_a_gate_a_line_and_the_command_that_accepts_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    workload = read_workload("flights")
    seen = LiveMeasures(
        environment=["torch 9"],
        broken_rungs=0,
        live_parity=0,
        latency_p95_ms=9000,
        serving_usd_per_1000=0.001,
        champion=[gain(0.01)],
    )
    passed = GateReport(verdicts=(), passed=True, goal=workload.goal.statement)
    evidence = promotion_evidence("flights", "flights-new", passed, seen)
    record = PromotionRecord(
        at="2026-01-01T000000",
        build_id="flights-new",
        champion="flights-old",
        outcome="refused",
        accepted=("environment",),
        live=LIVE,
        evidence=evidence,
        gates=promotion_gates(workload, evidence),
    )
    refusal = PromotionRefused("flights-new is not promoted", record, tmp_path / "record.json")
    assert pickle.loads(pickle.dumps(refusal)).record == record
    print_refusal(record, refusal.written, "far/flights.yaml")
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines()[1:-3])) <= 140
    assert [line.split()[1] for line in said.splitlines() if line.startswith(("champion ", "latency "))] == [
        "passed",
        "failed",
    ]
    assert "flights-new is not promoted: latency; flights-old serves on" in said
    assert "slipway promote far/flights.yaml --build flights-new --accept environment --accept latency\n" in said


def test_a_rollback_says_what_it_replaces_and_that_another_one_undoes_it(capsys: pytest.CaptureFixture[str]) -> None:
    workload, back = read_workload("flights"), RolledBack(champion="flights-1", replaced="flights-2")
    print_rollback(workload, back, dry_run=False)
    said = capsys.readouterr().out
    assert said.startswith("flights: flights-1 serves again, instead of flights-2; ")
    assert said.endswith("; another 'slipway rollback flights' returns to that one\n")
    print_rollback(workload, back.model_copy(update={"undone": "2026-01-01T00:00:00+00:00"}), dry_run=True)
    said = capsys.readouterr().out
    assert "warning: this undoes the rollback of 2026-01-01T00:00:00+00:00, which took flights-1 out of service" in said
    assert "flights-1 would serve again, instead of flights-2; nothing was changed" in said


def test_reasons_of_refused_rows_are_a_line_each_and_many_refusals_are_a_warning(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    reasons = {"at: missing": 3000, "city: longer than 64": 69, **{f"x{number}: missing": 1 for number in range(20)}}
    scored = Scored(build_id="b", target=tmp_path / "out.csv", rows=3200, refused=3069, refusals=reasons)
    print_scored(scored)
    lines = capsys.readouterr().out.splitlines()
    assert f"3,200 rows scored by b into {tmp_path}/out.csv, 3,069 refused" in lines
    assert [line.split() for line in lines if line.startswith(("at:", "city:"))] == [
        ["at:", "missing", "3,000"],
        ["city:", "longer", "than", "64", "69"],
    ]
    assert any(line.startswith("and 7 more reasons") for line in lines)
    assert lines[-1].startswith("warning: more than half of the rows were refused")
    print_scored(scored.model_copy(update={"refused": 2, "refusals": {"at: missing": 2}}))
    assert "warning" not in capsys.readouterr().out


@settings(deadline=None)
@given(st.text("[]/:=abold ", min_size=1, max_size=20) | st.text(max_size=20))
@example("[/x]")
@example("[cart]")
@example("[red]")
@example(":smile:")
def test_what_people_call_things_is_printed_as_it_is(text: str) -> None:
    console = open_console()
    console.file = printed = io.StringIO()
    console.print(make_table("gate", "state", rows=[(text, coloured("passed"))], title=text))
    console.print(text)
    if text.isprintable() and text == text.strip():
        assert printed.getvalue().count(text) >= 3


def test_a_slice_called_like_markup_does_not_end_a_promotion(capsys: pytest.CaptureFixture[str]) -> None:
    console = open_console()
    for name in ("city=[/x]", "city=[cart]", "city=[bold]"):
        console.print(make_table("", "gain", rows=[(name, "0.1")], title=f"Gain over {name}"))
    said = capsys.readouterr().out
    assert said.count("city=[/x]") == said.count("city=[cart]") == said.count("city=[bold]") == 2
