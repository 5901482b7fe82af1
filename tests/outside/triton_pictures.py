"""What a user of tritonclient writes to have pictures answered: ``python triton_pictures.py HTTP GRPC MODEL FILES...``.

Sends the files together in every way that the client has for bytes, then the first one cut in the middle, and prints
one JSON document: way -> marks, or what was refused.
"""

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException


def tensor(library: Any, pictures: list[bytes], **how: Any) -> Any:
    """Return pictures as the input ``scan``."""
    found = library.InferInput("scan", [len(pictures)], "BYTES")
    found.set_data_from_numpy(np.array(pictures, dtype=object), **how)
    return found


def main() -> None:
    """Print what every way gives."""
    http, grpc, model, *files = sys.argv[1:]
    pictures = [Path(file).read_bytes() for file in files]
    told: dict[str, Any] = {}
    with (
        tritonclient.http.InferenceServerClient(http) as over_http,
        tritonclient.grpc.InferenceServerClient(grpc) as over_grpc,
    ):
        (taken,) = over_http.get_model_metadata(model)["inputs"]
        assert (taken["name"], taken["datatype"], taken["shape"]) == ("scan", "BYTES", [-1]), taken

        def ask_http(pictures: list[bytes], binary: bool) -> Any:
            # JSON holds no bytes: base64 stands there.
            sent = pictures if binary else [base64.b64encode(one) for one in pictures]
            return over_http.infer(model, [tensor(tritonclient.http, sent, binary_data=binary)])

        ways: dict[str, Callable[[list[bytes]], Any]] = {
            "http, bytes": lambda pictures: ask_http(pictures, True),
            "http, JSON": lambda pictures: ask_http(pictures, False),
            "grpc": lambda pictures: over_grpc.infer(model, [tensor(tritonclient.grpc, pictures)]),
        }
        for name, ask in ways.items():
            told[name] = [one.decode() for one in ask(pictures).as_numpy("mark").reshape(-1).tolist()]
            try:
                ask([*pictures, pictures[0][:60]])
            except InferenceServerException as error:
                told[f"{name}, one cut"] = [error.status(), error.message()]
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
