"""What a user of tritonclient writes: ``python triton_client.py HTTP GRPC MODEL ROWS``, in an environment of its own.

Asks in every way that the client has, most of them by its defaults, and prints one JSON document: way -> outputs.
"""

import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio

KINDS = {"BYTES": object, "INT64": np.int64, "FP64": np.float64, "BOOL": bool}


def inputs(
    library: Any, described: list[dict[str, Any]], rows: list[dict[str, Any]], shape: Any, **how: Any
) -> list[Any]:
    """Return the rows as inputs, named and typed as the server's metadata say."""
    found = []
    for tensor in described:
        values = np.array([row[tensor["name"]] for row in rows], dtype=KINDS[tensor["datatype"]]).reshape(shape)
        found.append(library.InferInput(tensor["name"], list(values.shape), tensor["datatype"]))
        found[-1].set_data_from_numpy(values, **how)
    return found


def told(result: Any, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the outputs by name."""
    return {one["name"]: result.as_numpy(one["name"]).reshape(-1).tolist() for one in outputs}


def over_http(url: str, model: str, rows: list[dict[str, Any]], found: dict[str, Any]) -> dict[str, Any]:
    """Ask over HTTP; return the metadata."""
    with tritonclient.http.InferenceServerClient(url) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready(model)
        metadata: dict[str, Any] = client.get_model_metadata(model)
        (version,) = metadata["versions"]
        assert client.is_model_ready(model, version)
        assert not client.is_model_ready(model, "1")
        assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
        assert [one["name"] for one in client.get_model_repository_index()] == [model]
        assert client.get_model_config(model)["name"] == model
        names = [one["name"] for one in metadata["outputs"]]
        for shape, sent, wanted, coding in itertools.product(
            ((-1,), (-1, 1)), (True, False), (None, True, False), (None, "gzip", "deflate")
        ):
            outputs = None
            if wanted is not None:
                outputs = [tritonclient.http.InferRequestedOutput(name, binary_data=wanted) for name in names]
            result = client.infer(
                model,
                inputs(tritonclient.http, metadata["inputs"], rows, shape, binary_data=sent),
                model_version=version if coding is None else "",
                outputs=outputs,
                request_compression_algorithm=coding,
                response_compression_algorithm=coding,
            )
            found[f"http {shape} {sent} {wanted} {coding}"] = told(result, metadata["outputs"])
    return metadata


def over_grpc(
    url: str, model: str, rows: list[dict[str, Any]], metadata: dict[str, Any], found: dict[str, Any]
) -> None:
    """Ask over gRPC."""
    with tritonclient.grpc.InferenceServerClient(url) as client:
        assert client.is_server_ready()
        assert client.is_model_ready(model)
        assert client.get_model_metadata(model, as_json=True)["versions"] == metadata["versions"]
        assert client.get_model_config(model, as_json=True)["config"]["name"] == model
        assert client.get_model_repository_index(as_json=True)["models"][0]["state"] == "READY"
        for shape, coding in itertools.product(((-1,), (-1, 1)), (None, "gzip", "deflate")):
            asked = inputs(tritonclient.grpc, metadata["inputs"], rows, shape)
            result = client.infer(model, asked, compression_algorithm=coding)
            found[f"grpc {shape} {coding}"] = told(result, metadata["outputs"])


async def at_once(http: str, grpc: str, model: str, rows: list[Any], metadata: dict[str, Any], found: Any) -> None:
    """Ask with the clients for event loops."""
    for library, url in ((tritonclient.http, http), (tritonclient.grpc, grpc)):
        client = library.aio.InferenceServerClient(url)
        result = await client.infer(model, inputs(library, metadata["inputs"], rows, (-1,)))
        found[f"{library.__name__}.aio"] = told(result, metadata["outputs"])
        await client.close()


def main() -> None:
    """Print what every way gives."""
    http, grpc, model, path = sys.argv[1:]
    rows, found = json.loads(Path(path).read_text()), dict[str, Any]()
    metadata = over_http(http, model, rows, found)
    over_grpc(grpc, model, rows, metadata, found)
    asyncio.run(at_once(http, grpc, model, rows, metadata, found))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
