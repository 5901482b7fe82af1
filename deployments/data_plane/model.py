"""A build made ready to answer: opened, checked, warmed up, and proven on its own golden rows."""

import time
from pathlib import Path

import msgspec
import numpy as np

from components.artefacts.answer_shape import differences
from components.artefacts.build import Build, Golden, ServingSpec, open_build
from components.artefacts.errors import BuildError, ServingError
from components.artefacts.inference import Inference, Predictor, Row, inference_of
from data_contracts.description.spec import ContractSpec
from deployments.data_plane.formats.content import JSON_TYPE
from deployments.data_plane.formats.request import RowDecoder

WARM_UP_ROWS = (1, 2, 8, 32, 128)


class Model(msgspec.Struct, frozen=True):
    """A build that answers."""

    build: Build
    contract: ContractSpec
    serving: ServingSpec
    decoder: RowDecoder
    predictor: Predictor
    load_seconds: float
    inference: Inference
    # How large a row may become while it is read; 0: about as large as its values are.
    unpacked_bytes: int = 0

    @property
    def build_id(self) -> str:
        return self.build.build_id

    @property
    def body_types(self) -> tuple[str, ...]:
        """Types of bodies that are rows: JSON, and what the kind of model reads."""
        return (JSON_TYPE, *self.inference.media_types)

    def rows_of(self, body: bytes, said: str | None) -> list[Row]:
        """Return the rows of a body whose content-type header is ``said``, one of ``body_types``, checked."""
        kind = JSON_TYPE if said == JSON_TYPE else (said or "").partition(";")[0].strip().lower()
        if kind == JSON_TYPE:
            return self.decoder.decode(body)
        return self.decoder.check(self.inference.read_body(body, kind, self.contract))


def load_model(
    path: Path,
    workload: str | None = None,
    public_key: Path | None = None,
    threads: int = 1,
    *,
    build_id: str | None = None,
    check: bool = True,
) -> Model:
    """Open a build, warm it up and let it answer its golden rows (both left out without ``check``).

    Raises BuildError for a damaged build or one of another workload, ServingError if it does not answer as evaluated.
    """
    start = time.perf_counter()
    build = open_build(path, public_key, build_id=build_id, load_parts=True)
    if workload is not None and build.manifest.workload != workload:
        raise BuildError(f"{path} is a build of {build.manifest.workload}, not of {workload}")
    contract, serving = build.contract(), build.serving()
    try:
        inference = inference_of(build.manifest.kind)
    except BuildError as error:
        raise BuildError(f"build {build.build_id} is {error}") from error
    predictor = inference.open(build.parts(), contract, threads)
    model = Model(
        # Its files are not kept for as long as it serves.
        build=build.released(),
        contract=contract,
        serving=serving,
        decoder=RowDecoder(contract, serving.max_rows),
        predictor=predictor,
        load_seconds=0.0,
        inference=inference,
        unpacked_bytes=inference.unpacked_bytes(contract),
    )
    if not check:
        return model
    rows = check_golden(model, build.golden())
    for count in WARM_UP_ROWS:
        predictor.predict(predictor.tensors([rows[index % len(rows)] for index in range(count)]))
    return msgspec.structs.replace(model, load_seconds=time.perf_counter() - start)


def check_golden(model: Model, golden: Golden) -> list[Row]:
    """Answer the golden rows as a client would send them; ServingError says which differs and by how much."""
    try:
        rows = model.decoder.check(golden.rows)
    except ValueError as error:
        raise ServingError(f"build {model.build_id}: its contract refuses its own golden rows: {error}") from error
    if not rows:
        raise ServingError(f"build {model.build_id} has no golden rows; it cannot be checked, build it again")
    answers = model.predictor.predict(model.predictor.tensors(rows))
    if golden.columns != model.serving.answer.columns or answers.size != golden.matrix().size:
        raise ServingError(
            f"build {model.build_id} answers {answers.size // len(rows)} numbers a row, its golden rows have "
            f"{', '.join(golden.columns)}: build it again"
        )
    apart = differences(answers, golden.matrix())
    worst = int(np.argmax(apart))
    if apart[worst] > golden.tolerance:
        given, evaluated = (
            np.array2string(np.atleast_1d(row), precision=7) for row in (answers[worst], golden.matrix()[worst])
        )
        raise ServingError(
            f"build {model.build_id} does not answer as evaluated: golden row {worst} gives {given}, "
            f"evaluated {evaluated}, tolerance {golden.tolerance:g}; it is not served"
        )
    return rows
