"""What a person sees of a promotion: verdicts, warnings, what is gained over the champion, and where it is kept."""

import io
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.builds.live_check import LiveCheck
from components.declaration import read_workload
from components.evaluation.evidence import Measure
from components.gates.judge import GateReport, promotion_evidence, promotion_gates
from components.promotion.promote import Promotion
from flows.drawing import coloured, make_table, open_console
from flows.run_tables import print_promotion


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
    evidence = promotion_evidence(
        workload,
        GateReport(verdicts=(), passed=True, goal=workload.goal.statement),
        model="flights-new",
        environment=[],
        broken_rungs=0,
        live_parity=0,
        latency_p95_ms=3,
        serving_usd_per_1000=0.001,
        champion=[gain(-0.002), *slices],
    )
    live = LiveCheck(
        rows=500,
        max_difference=0,
        latency_p50_ms=2,
        latency_p95_ms=3,
        latency_p99_ms=4,
        requests_per_second=400,
        start_seconds=1,
        usd_per_1000=0.001,
    )
    promotion = Promotion(
        build_id="flights-new",
        replaced="flights-old",
        live=live,
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
