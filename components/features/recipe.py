"""The recipe: every transform of a workload, fitted on the training split, stored with the build, the same in serving.

``fit_recipe`` learns it, ``Recipe.apply`` runs it in Polars (training), ``recipe_graph`` writes it as ONNX (serving).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import msgspec
import onnx
import polars as pl
from onnx import TensorProto

from components.artefacts.errors import WorkloadError
from components.declaration.features import FeatureStep
from components.features.calendar import DateParts, Season, TimeOfDay, Weekday
from components.features.category import Category, Cross
from components.features.encoding import Frequency, HashBucket, TargetMean
from components.features.fusion import fuse_columns
from components.features.graph import GraphBuilder
from components.features.numeric import Clip, Impute, Log1p, QuantileBucket, RobustScale, Standardise
from components.features.transform import FOLD, FOLDS, LABEL, Feature, Transform
from components.row_hash import with_row_hash
from data_contracts.description.spec import ContractSpec, FieldSpec

AnyTransform = (
    Category
    | Clip
    | Cross
    | DateParts
    | Frequency
    | HashBucket
    | Impute
    | Log1p
    | QuantileBucket
    | RobustScale
    | Season
    | Standardise
    | TargetMean
    | TimeOfDay
    | Weekday
)

# The name in a workload file is the tag under which the fitted transform is stored.
TRANSFORMS: dict[str, type[Transform]] = {transform.tag(): transform for transform in AnyTransform.__args__}
# Values of the training split that are held in memory while transforms are fitted: 32 MB of numbers.
VALUES_AT_ONCE = 4_000_000
# Labels that are a number, or yes and no as 1 and 0.
ANSWERS = ("boolean", "integer", "number")


class Recipe(msgspec.Struct, frozen=True):
    """Fitted transforms in order."""

    steps: tuple[AnyTransform, ...]

    def features(self) -> tuple[Feature, ...]:
        """Return every column the recipe makes, in order."""
        return tuple(feature for step in self.steps for feature in step.features())

    @property
    def values(self) -> tuple[str, ...]:
        """Names of the float32 columns, in order."""
        return tuple(feature.name for feature in self.features() if feature.type == "value")

    @property
    def codes(self) -> tuple[Feature, ...]:
        """The int64 columns, in order, with their cardinalities."""
        return tuple(feature for feature in self.features() if feature.type == "code")

    @property
    def named(self) -> tuple[bool, ...]:
        """Whether the values of each code are names, in no order; others rise with what they stand for, as hours do."""
        return tuple(not step.in_order for step in self.steps for one in step.features() if one.type == "code")

    def apply(self, frame: pl.LazyFrame, keep: Sequence[str] = ()) -> pl.LazyFrame:
        """Return the feature columns of raw contract rows, and the raw columns in ``keep`` as they are.

        A feature may have the name of its field, so a kept column must not be one.
        """
        expressions = [expression for step in self.steps for expression in step.expressions()]
        return frame.select(*expressions, *(pl.col(name) for name in keep))

    def apply_to_training(self, train: pl.LazyFrame, contract: ContractSpec, keep: Sequence[str] = ()) -> pl.LazyFrame:
        """Return the feature columns of the training split itself: as ``apply``, but no row sees its own answer."""
        if not any(type(step).sees_answers for step in self.steps):
            return self.apply(train, keep)
        expressions = [expression for step in self.steps for expression in step.training_expressions()]
        return training_frame(train, contract).select(*expressions, *(pl.col(name) for name in keep))


def training_frame(train: pl.LazyFrame, contract: ContractSpec) -> pl.LazyFrame:
    """Add to the training split what transforms learn from: the label as a number, and a fold for each row.

    The fold follows from the inputs alone, so that equal rows lie in the same one.
    """
    answer = _answer(contract) if _has_mean(contract) else pl.lit(None)
    folded = with_row_hash(train, contract.inputs, FOLD, seed=1)
    return folded.with_columns((pl.col(FOLD) % FOLDS).cast(pl.Int64), answer.alias(LABEL))


def _has_mean(contract: ContractSpec) -> bool:
    label = contract.label
    return len(label.allowed) == 2 or label.dtype in ANSWERS


def _answer(contract: ContractSpec) -> pl.Expr:
    """Return the label as a number; of two values the second is yes."""
    label = contract.label
    column = pl.col(label.name)
    return (column == label.allowed[1] if len(label.allowed) == 2 else column).cast(pl.Float64)


def fit_recipe(train: pl.LazyFrame, steps: Sequence[FeatureStep], contract: ContractSpec) -> Recipe:
    """Fit every step on the training split; WorkloadError for a field or transform that cannot be a feature."""
    fits = [fit for step in steps for fit in _fits(step, contract)]
    rows = int(train.select(pl.len()).collect(engine="streaming").item())
    # To open a wide file once for each of its columns would cost the square of their number.
    blocks = list(_in_blocks(fits, most=max(1, VALUES_AT_ONCE // max(rows, 1))))
    # Two at a time keep two cores busy.
    with ThreadPoolExecutor(max_workers=2) as pool:
        fitted = pool.map(partial(_fit_block, train, contract, lazily=rows > VALUES_AT_ONCE), blocks)
        recipe = Recipe(tuple(transform for block in fitted for transform in block))
    count = Counter(feature.name for feature in recipe.features())
    if twice := sorted(name for name, times in count.items() if times > 1):
        raise WorkloadError(f"features: {', '.join(twice)} made twice; a field goes through a transform once")
    return recipe


class _Fit(NamedTuple):
    """One transform that is to be fitted, and on which fields."""

    transform: type[Transform]
    fields: tuple[FieldSpec, ...]
    options: dict[str, Any]

    def run(self, frame: pl.LazyFrame) -> Transform:
        if self.transform.joint:
            return self.transform.fit_joint(frame, self.fields, **self.options)
        return self.transform.fit(frame, *self.fields, **self.options)


def _fits(step: FeatureStep, contract: ContractSpec) -> list[_Fit]:
    """Return what is to be fitted for a step."""
    check_step(step, contract)
    known = {field.name: field for field in contract.fields}
    transform, fields = TRANSFORMS[step.transform], tuple(known[name] for name in step.fields)
    groups = [fields] if transform.joint else [(field,) for field in fields]
    return [_Fit(transform, group, step.options) for group in groups]


def _in_blocks(fits: Sequence[_Fit], most: int) -> Iterator[list[_Fit]]:
    """Return the fits in order, in blocks that need about ``most`` fields of the training split."""
    block: list[_Fit] = []
    held = 0
    for fit in fits:
        held += len(fit.fields)
        if block and held > most:
            yield block
            block, held = [], len(fit.fields)
        block.append(fit)
    if block:
        yield block


def _fit_block(
    train: pl.LazyFrame, contract: ContractSpec, block: Sequence[_Fit], *, lazily: bool
) -> list[AnyTransform]:
    """Fit some transforms on the fields that they need; ``lazily`` if not even one of them should be held in memory."""
    names = list(dict.fromkeys(field.name for fit in block for field in fit.fields))
    if any(fit.transform.sees_answers for fit in block):
        train, names = training_frame(train, contract), [*names, LABEL, FOLD]
    frame = train.select(names)
    if not lazily:
        frame = frame.collect(engine="streaming").lazy()
    return [fit.run(frame) for fit in block]  # type: ignore[misc]


def check_step(step: FeatureStep, contract: ContractSpec) -> None:
    """Raise WorkloadError for a transform that is not known, and for fields or options that it does not take."""
    transform = TRANSFORMS.get(step.transform)
    if transform is None:
        raise WorkloadError(f"features: unknown transform '{step.transform}'; known: {', '.join(TRANSFORMS)}")
    known = {field.name: field for field in contract.fields}
    inputs = {field.name for field in contract.inputs}
    for name in step.fields:
        if name not in inputs or "pii" in known[name].roles:
            check_feature_field(name, contract)
    if transform.sees_answers and not _has_mean(contract):
        raise WorkloadError(
            f"features: '{step.transform}' takes the mean of the label, and '{contract.label.name}' is a "
            f"{contract.label.dtype}: take another transform, such as category or frequency"
        )
    transform.check([known[name] for name in step.fields], step.options)


def check_feature_field(name: str, contract: ContractSpec) -> None:
    """Raise WorkloadError unless a field of that name is known when a prediction is asked for."""
    known = {field.name: field for field in contract.fields}
    if name not in known:
        raise WorkloadError(
            f"features: '{name}' is not a field of {contract.name}; fields: "
            f"{', '.join(field.name for field in contract.inputs)}"
        )
    if "pii" in known[name].roles:
        raise WorkloadError(
            f"features: '{name}' is pii ({contract.name}): a model holds what it learnt from, and so would every "
            "build, its golden rows and the registry. Leave it out, or make a column in the source that names nobody"
        )
    if known[name] not in contract.inputs:
        raise WorkloadError(
            f"features: '{name}' is known only after the outcome ({contract.name}: available='after'), so it cannot "
            "be a feature: it would leak the answer. Take it out of features"
        )


def recipe_graph(recipe: Recipe, contract: ContractSpec) -> onnx.ModelProto:
    """Return the recipe as ONNX: raw fields in, ``values`` [rows, V] float32 and ``codes`` [rows, C] int64 out."""
    graph = GraphBuilder(contract.inputs)
    values: list[str] = []
    codes: list[str] = []
    for step in recipe.steps:
        for feature, tensor in zip(step.features(), step.nodes(graph), strict=True):
            (values if feature.type == "value" else codes).append(tensor)
    outputs: dict[str, tuple[str, int, int]] = {}
    if values:
        outputs["values"] = (graph.stack(values, TensorProto.FLOAT), TensorProto.FLOAT, len(values))
    if codes:
        outputs["codes"] = (graph.stack(codes, TensorProto.INT64), TensorProto.INT64, len(codes))
    return fuse_columns(graph.build(outputs, "recipe"))


def write_recipe(recipe: Recipe) -> bytes:
    """Encode a recipe as JSON."""
    return msgspec.json.format(msgspec.json.encode(recipe), indent=2)


def read_recipe(data: bytes) -> Recipe:
    """Decode a recipe.json."""
    return msgspec.json.decode(data, type=Recipe)
