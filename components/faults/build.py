"""Faults of a build and of the machine that serves it: planted into a copy, caught on opening or at promotion."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from components.artefacts.answer_shape import side_by_side
from components.artefacts.build import GRAPH, MANIFEST, open_build, seal
from components.artefacts.inference import MODEL, inference_of
from components.artefacts.storage import digest_bytes, write_atomically
from components.compression.measurement import columns_of
from components.evaluation.evidence import Measure
from components.evaluation.hold_out import labels_of
from components.evaluation.slices import SOURCE
from components.faults.bench import RESAMPLES, Bench, Fault, Seen, largest_slice
from components.gates.judge import GateReport, promotion_gates
from components.gates.promotion_evidence import LiveMeasures, promotion_evidence
from components.promotion.champion import against_champion

CALLS = 15


def _opened(spoil: Callable[[Path], None]) -> Callable[[Bench, bool], Seen]:
    """Return a fault that spoils a copy of the build and opens it."""

    def run(bench: Bench, planted: bool) -> Seen:
        copy = bench.scratch / "build"
        shutil.rmtree(copy, ignore_errors=True)
        bench.build.write_to(copy)
        if planted:
            spoil(copy)
        open_build(copy, bench.build.public_key)
        return {}

    return run


def _model(build: Path) -> Path:
    return build / f"{MODEL}{GRAPH}"


def flip_byte(build: Path) -> None:
    data = bytearray(_model(build).read_bytes())
    data[len(data) // 2] ^= 1
    _model(build).write_bytes(data)


def lose_file(build: Path) -> None:
    (build / "serving.json").unlink()


def swap_contract(build: Path) -> None:
    """Change a file and its digest in the manifest, as somebody would who knows how it works."""
    contract, manifest = build / "contract.json", build / MANIFEST
    _swap(contract, contract.read_bytes().replace(b'"fields"', b'"fields" ', 1) + b"\n", manifest)


def lower_threshold(build: Path) -> None:
    gates = build / "gates.json"
    write_atomically(gates, gates.read_bytes().replace(b'"passed"', b'"Passed"', 1))


def swap_verdict(build: Path) -> None:
    """Change a verdict and its digest in the manifest: the id, of what answers, stays; the signature does not."""
    gates = build / "gates.json"
    _swap(gates, gates.read_bytes().replace(b'"passed"', b'"Passed"', 1), build / MANIFEST)


def leave_file(build: Path) -> None:
    (build / "another.onnx").write_bytes(_model(build).read_bytes())


def link_model(build: Path) -> None:
    """Put a link to the same bytes in the place of the model: they can be changed after they were looked at."""
    elsewhere = build.with_name("elsewhere.onnx")
    model = _model(build)
    model.replace(elsewhere)
    model.symlink_to(elsewhere)


def _swap(file: Path, data: bytes, manifest: Path) -> None:
    old = digest_bytes(file.read_bytes())
    write_atomically(file, data)
    write_atomically(manifest, manifest.read_text().replace(old, digest_bytes(data)).encode())


def environment(bench: Bench, planted: bool) -> Seen:
    return _promoted(bench, differences=["onnxruntime 1.31.1 -> 1.20.0"] if planted else [])


def other_answers(bench: Bench, planted: bool) -> Seen:
    """Serve answers of another model than the one that was evaluated."""
    hold_out = bench.hold_out
    served = np.roll(hold_out.graph, 1, axis=0) if planted else hold_out.graph
    return _promoted(bench, parity=float(np.abs(served - hold_out.graph).max()) / hold_out.scale)


def slow_model(bench: Bench, planted: bool) -> Seen:
    """Measure single answers, with a model that needs half as long again as the goal allows."""
    # Opened once, as the service does: a large graph takes longer to open than it may take to answer.
    predictor = inference_of(bench.workload.kind).open(bench.shipped.parts, bench.contract)
    row = columns_of(predictor, bench.hold_out.rows.head(1), bench.contract)
    wait = 1.5 * bench.workload.goal.latency_p95_ms / 1000 if planted else 0.0
    predictor.predict(row)
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        predictor.predict(row)
        time.sleep(wait)
        seconds.append(time.perf_counter() - began)
    return _promoted(bench, latency=float(np.median(seconds)) * 1000)


def dear_answers(bench: Bench, planted: bool) -> Seen:
    limit = bench.workload.goal.serving_usd_per_1000
    return _promoted(bench, usd=3 * limit if planted else 0.0)


def refused_build(bench: Bench, planted: bool) -> Seen:
    report = GateReport(verdicts=(), passed=not planted, goal=bench.workload.goal.statement)
    return _promoted(bench, build=report)


def better_champion(bench: Bench, planted: bool) -> Seen:
    """Let the build itself serve, and promote a copy of it whose answers are drowned in noise."""
    rows = np.ones(len(_reference(bench)), dtype=bool)
    return _challenged(bench, rows if planted else ~rows)


def better_champion_somewhere(bench: Bench, planted: bool) -> Seen:
    """The same with noise in the largest slice alone."""
    rows = _reference(bench)
    largest = largest_slice(rows, bench.hold_out.slices, labels_of(rows, bench.contract))
    spoilt = np.zeros(len(rows), dtype=bool) if largest is None else largest
    return _challenged(bench, spoilt & planted)


def _reference(bench: Bench) -> pl.DataFrame:
    return pl.read_parquet(bench.build.read("reference.parquet"), glob=False)


def _challenged(bench: Bench, spoilt: NDArray[np.bool_]) -> Seen:
    """Compare a copy of the build, some of its evaluated answers spoilt, with the build as it is."""
    folder, rows = bench.scratch / "challenger", _reference(bench)
    shutil.rmtree(folder, ignore_errors=True)
    bench.build.write_to(folder)
    if spoilt.any():
        names, labels = bench.shape.judged, labels_of(rows, bench.contract).astype(np.float64)
        answers = side_by_side([rows[name].to_numpy() for name in names]).astype(np.float64)
        answers[spoilt] = bench.spoiler.drowned(answers[spoilt], labels[spoilt], bench.random())
        columns = answers.reshape(len(answers), -1).T.astype(np.float32)
        rows.with_columns(pl.Series(name, column) for name, column in zip(names, columns, strict=True)).write_parquet(
            folder / "reference.parquet"
        )
    seal(folder, workload=bench.workload.name, kind=bench.workload.kind, created="planted")
    # A copy that was sealed here, a moment ago: nobody signed it.
    challenger = open_build(folder, None)
    found = against_champion(bench.workload, challenger, "champion", lambda: bench.build, resamples=RESAMPLES)
    return _promoted(bench, champion=found.gains if found else ())


def _promoted(
    bench: Bench,
    *,
    differences: list[str] | None = None,
    rungs: float = 0.0,
    parity: float = 0.0,
    latency: float = 0.0,
    usd: float = 0.0,
    build: GateReport | None = None,
    champion: tuple[Measure, ...] = (),
) -> Seen:
    seen = LiveMeasures(
        environment=differences or [],
        broken_rungs=rungs,
        live_parity=parity,
        latency_p95_ms=Measure(name="latency_p95_ms", value=latency, source=SOURCE),
        serving_usd_per_1000=usd,
        champion=champion,
    )
    judged = build or GateReport(verdicts=(), passed=True, goal=bench.workload.goal.statement)
    evidence = promotion_evidence(bench.workload.name, "planted", judged, seen)
    report = promotion_gates(bench.workload, evidence)
    return {verdict.gate: verdict.line for verdict in report.refused}


def _is_signed(bench: Bench) -> bool:
    return bench.build.public_key is not None


FAULTS = (
    Fault("a flipped byte in the model", "open", "BuildError", _opened(flip_byte)),
    Fault("a file of the build is lost", "open", "BuildError", _opened(lose_file)),
    Fault("a file changed together with its digest", "open", "BuildError", _opened(swap_contract)),
    Fault("a verdict changed after the fact", "open", "BuildError", _opened(lower_threshold)),
    Fault("a verdict changed together with its digest", "open", "BuildError", _opened(swap_verdict), _is_signed),
    Fault("a file too many in the build", "open", "BuildError", _opened(leave_file)),
    Fault("a link in the place of the model", "open", "BuildError", _opened(link_model)),
    Fault("other package versions than the build's", "promote", "environment", environment),
    Fault("served answers are another model's", "promote", "live-parity", other_answers),
    Fault("a slow model", "promote", "latency", slow_model),
    Fault("answers too dear", "promote", "serving-cost", dear_answers),
    Fault("a refused build promoted", "promote", "build-gates", refused_build),
    Fault("the champion is better", "promote", "champion", better_champion),
    Fault(
        "the champion is better in one slice",
        "promote",
        "champion-slices",
        better_champion_somewhere,
        lambda bench: bench.has_slices,
    ),
)
