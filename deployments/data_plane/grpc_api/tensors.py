"""Tensors of the protocol's messages: typed contents or raw little-endian bytes, to and from lists of values."""

from collections.abc import Sequence
from typing import Any

from deployments.data_plane.formats.open_inference import Output, Tensor, check_parameters
from deployments.data_plane.formats.request import MalformedRequest
from deployments.data_plane.formats.tensor_bytes import DATATYPES, packed
from deployments.data_plane.grpc_api import open_inference_pb2 as messages

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def tensors_of(request: messages.ModelInferRequest) -> list[Tensor]:
    """Return the inputs of a request; raises MalformedRequest."""
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise MalformedRequest(f"{len(raw)} raw_input_contents for {len(request.inputs)} inputs")
    check_parameters(request.parameters, "the request")
    for output in request.outputs:
        check_parameters(output.parameters, f"output {output.name}")
    tensors = []
    for index, tensor in enumerate(request.inputs):
        check_parameters(tensor.parameters, f"input {tensor.name}")
        if tensor.datatype not in DATATYPES:
            raise MalformedRequest(
                f"input {tensor.name}: datatype {tensor.datatype!r} is not one of {', '.join(DATATYPES)}"
            )
        data: list[Any] | bytes = raw[index] if raw else _contents(tensor)
        tensors.append(Tensor(tensor.name, tensor.datatype, list(tensor.shape), data))
    return tensors


def wants_raw(request: messages.ModelInferRequest) -> bool:
    """Whether to answer in raw contents: to whoever sends them, and to whoever asks for them."""
    asked = "binary_data_output" in request.parameters and request.parameters["binary_data_output"].bool_param
    return bool(request.raw_input_contents) or asked


def reply_of(
    outputs: Sequence[Output], workload: str, build: str, request_id: str, raw: bool
) -> messages.ModelInferResponse:
    """Return the answer's message: contents lie with each output, or raw beside all of them."""
    reply = messages.ModelInferResponse(model_name=workload, model_version=build, id=request_id)
    for name, datatype, values in outputs:
        tensor = reply.outputs.add(name=name, datatype=datatype, shape=[len(values)])
        if raw:
            reply.raw_output_contents.append(packed(datatype, values))
        else:
            sent = [value.encode() for value in values] if datatype == "BYTES" else values
            getattr(tensor.contents, _CONTENTS[datatype]).extend(sent)
    return reply


def _contents(tensor: messages.ModelInferRequest.InferInputTensor) -> list[Any]:
    if tensor.datatype not in _CONTENTS:
        raise MalformedRequest(
            f"input {tensor.name}: {tensor.datatype} has no typed contents; send raw_input_contents, or FP32"
        )
    values: Sequence[Any] = getattr(tensor.contents, _CONTENTS[tensor.datatype])
    return list(values)
