"""Features of a table: fit the recipe on the training split alone, apply it to every split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from components.artefacts.inference import Parts
from components.artefacts.storage import write_atomically
from components.data.parquet import BLOCK, BlockFiles
from components.data.preparation import features_path
from components.data.results import Made, Prepared, Split
from components.data.splits.split_report import sample_step
from components.declaration.features import FeatureStep
from components.features.recipe import Recipe, fit_recipe, read_recipe, recipe_graph, write_recipe
from components.result import Result
from data_contracts.description.spec import ContractSpec, FieldSpec

# The name of the fitted transforms, which people and tests read, beside the graph.
RECIPE = "recipe.json"
LABEL = "label"
# What it is called beside raw columns, of which one may be called so.
TARGET = "slipway:target"


class FeatureFacts(Result):
    """What training needs to know of the features: their names in order, float32 values and int64 codes."""

    values: tuple[str, ...]
    codes: dict[str, int]

    @classmethod
    def of(cls, prepared: Prepared) -> "FeatureFacts":
        """Return what was noted of prepared splits."""
        return cls.model_validate(prepared.facts)


def write_tables(
    splits: Mapping[str, Split], steps: Sequence[FeatureStep], contract: ContractSpec, folder: Path
) -> Made:
    """Write ``recipe.json`` and the features of every split; WorkloadError for features that cannot be made."""
    recipe = fit_recipe(pl.scan_parquet(splits["train"].path, glob=False), steps, contract)
    write_atomically(folder / RECIPE, write_recipe(recipe))
    samples = _write_features(splits, recipe, contract)
    facts = FeatureFacts(values=recipe.values, codes={one.name: one.cardinality for one in recipe.codes})
    return Made(assets=(RECIPE,), facts=facts.model_dump(mode="json"), samples=samples)


def graph_of_recipe(parts: Parts, contract: ContractSpec) -> bytes | None:
    """Return the recipe beside a graph as a graph of its own; None if there is none."""
    recipe = parts.assets.get(RECIPE)
    if recipe is None:
        return None
    data = recipe if isinstance(recipe, bytes) else recipe.read_bytes()
    graph: bytes = recipe_graph(read_recipe(data), contract).SerializeToString()
    return graph


def _write_features(splits: Mapping[str, Split], recipe: Recipe, contract: ContractSpec) -> dict[str, pl.DataFrame]:
    """Write the features of every split and return, since they are read anyway, raw rows of each for the report."""
    samples = {}
    # A recipe leaves no gap.
    filled = {feature.name for feature in recipe.features()}
    with BlockFiles(splits["train"].path.parent, filled=filled) as files:
        for name, split in splits.items():
            picked, step = [], sample_step(split.rows)
            for start in range(0, split.rows, BLOCK):
                raw = pl.scan_parquet(split.path, glob=False).slice(start, BLOCK).collect(engine="streaming")
                # By way of Arrow, which copies text: a string of Polars keeps that of its whole block in memory.
                picked.append(raw.gather_every(step, -start % step).to_arrow())
                block = raw.lazy().with_columns(_target(contract.label).alias(TARGET))
                # Only the training split must not see its own answers; every other split is what serving will be.
                training = name == "train"
                kept = [TARGET]
                made = recipe.apply_to_training(block, contract, kept) if training else recipe.apply(block, kept)
                found = made.rename({TARGET: LABEL}).collect(engine="streaming")
                files.add({features_path(split.path).stem: found})
            samples[name] = pl.DataFrame(pa.concat_tables(picked))
    return samples


def _target(label: FieldSpec) -> pl.Expr:
    """Return the label as a number: yes is 1, a class is its place among the allowed ones."""
    column = pl.col(label.name)
    if label.allowed:
        return column.replace_strict(list(label.allowed), list(range(len(label.allowed))), return_dtype=pl.Float32)
    return column.cast(pl.UInt8 if label.dtype == "boolean" else pl.Float32)
