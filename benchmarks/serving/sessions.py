"""ONNX Runtime's session options, each changed alone: ``python -m benchmarks.serving.sessions [--build DIR]``.

The same rows through the same graph, 1, 32 and 256 at a time, by the clock and by processor time of the whole process
(a second thread that spins costs the latter). All settings take turns in every round; told is the median over rounds,
and the median of the ratios to the settings that the service has, round by round.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.serving.model import make_material
from components.artefacts.build import open_build
from components.artefacts.inference import inference_of, read_rows
from components.artefacts.onnx_session import open_session

SIZES = (1, 32, 256)
# Calls of each size in a round: about a hundredth of a second each.
CALLS = {1: 200, 32: 100, 256: 25}
SERVED = "as the service runs it"
SPINNING = ("session.intra_op.allow_spinning", "session.inter_op.allow_spinning")
# A thread that waits spins on for a while after its session's last call; that is not the next one's.
PAUSE_SECONDS = 0.02
OPTIMISED = onnxruntime.GraphOptimizationLevel


def settings(model: Path) -> dict[str, onnxruntime.InferenceSession]:
    """Return a session for each setting; the first is the service's own."""

    def session(threads: int = 1, spinning: str = "0", entries: Mapping[str, str] = {}, **changes: Any) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        for name in SPINNING:
            options.add_session_config_entry(name, spinning)
        for name, value in entries.items():
            options.add_session_config_entry(name, value)
        for name, value in changes.items():
            setattr(options, name, value)
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    parallel = {"execution_mode": onnxruntime.ExecutionMode.ORT_PARALLEL, "inter_op_num_threads": 2}
    return {
        SERVED: open_session(model),
        "two threads, sleeping while they wait": session(threads=2),
        "two threads, spinning": session(threads=2, spinning="1"),
        "nodes in parallel, two threads": session(**parallel),
        "graph not optimised": session(graph_optimization_level=OPTIMISED.ORT_DISABLE_ALL),
        "basic optimisations": session(graph_optimization_level=OPTIMISED.ORT_ENABLE_BASIC),
        "extended optimisations": session(graph_optimization_level=OPTIMISED.ORT_ENABLE_EXTENDED),
        "no memory pattern": session(enable_mem_pattern=False),
        "no arena": session(enable_cpu_mem_arena=False),
        "denormals are zero": session(entries={"session.set_denormal_as_zero": "1"}),
    }


def feeds_of(build: Path) -> dict[int, dict[str, NDArray[Any]]]:
    """Return tensors of golden rows, repeated to each size."""
    opened = open_build(build)
    predictor = inference_of(opened.manifest.kind).open(opened.parts(), opened.contract())
    rows = read_rows(opened.golden().rows, opened.contract())
    return {size: predictor.tensors([rows[index % len(rows)] for index in range(size)]) for size in SIZES}


def measure(build: Path, rounds: int) -> dict[str, dict[int, list[tuple[float, float]]]]:
    """Return microseconds of a call, by the clock and by processor time: setting -> rows -> one pair a round."""
    sessions, feeds = settings(build / "model.onnx"), feeds_of(build)
    expected = sessions[SERVED].run(None, feeds[256])[0]
    for name, session in sessions.items():
        if not np.allclose(session.run(None, feeds[256])[0], expected, atol=1e-6):
            raise RuntimeError(f"{name}: answers otherwise")
    spent: dict[str, dict[int, list[tuple[float, float]]]] = {name: {size: [] for size in SIZES} for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            time.sleep(PAUSE_SECONDS)
            for size, calls in CALLS.items():
                start, used = time.perf_counter(), time.process_time()
                for _ in range(calls):
                    session.run(None, feeds[size])
                clock, processor = time.perf_counter() - start, time.process_time() - used
                spent[name][size].append((clock / calls * 1e6, processor / calls * 1e6))
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, metavar="DIR", help="the benchmark's own model if not given")
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-sessions-") as folder:
        build = given.build or make_material(Path(folder, "material")).build
        spent = measure(build, given.rounds)
    heads = [f"{size} row{'s' if size > 1 else ''}: us, as a ratio; processor" for size in SIZES]
    print(f"| setting | {' | '.join(heads)} |")
    print("|---|" + "--:|" * len(SIZES))
    for name, by_size in spent.items():
        cells = []
        for size in SIZES:
            clock = statistics.median(pair[0] for pair in by_size[size])
            ratios = [
                statistics.median(mine[kind] / served[kind] for mine, served in zip(*pairs, strict=True))
                for pairs in ((by_size[size], spent[SERVED][size]),)
                for kind in (0, 1)
            ]
            cells.append(f"{clock:.0f}, {ratios[0]:.2f}; {ratios[1]:.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
