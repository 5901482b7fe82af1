"""The one way in which a graph is opened: on the processor, with threads that sleep while they wait."""

from pathlib import Path

import onnxruntime


def open_session(model: Path | bytes, threads: int = 1, *, optimise: bool = True) -> onnxruntime.InferenceSession:
    """Open a graph as every part of Slipway runs it; without ``optimise`` its nodes run as they were written."""
    options = onnxruntime.SessionOptions()
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning thread burns the core that the HTTP layer needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
