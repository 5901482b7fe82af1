"""From kept rows to features: split, fit the recipe on the training split alone, apply it to every split."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from components.artefacts.storage import digest_bytes, digest_json, scratch_prefix, write_atomically, write_json
from components.data.kept_rows import KeptRows
from components.data.parquet import BLOCK, BlockFiles
from components.data.results import Prepared, Split, Validated
from components.data.splits.division import split_rows
from components.data.splits.split_report import sample_step, split_report
from components.declaration.features import FeatureStep
from components.declaration.split import SplitRule
from components.features.recipe import Recipe, fit_recipe, write_recipe
from components.settings import Home
from components.stage_keys import code_part
from components.store.reference import Reference
from data_contracts.description.spec import ContractSpec, FieldSpec

RECIPE = "recipe.json"
RECORD = "prepared.json"
LABEL = "label"
# What it is called beside raw columns, of which one may be called so.
TARGET = "slipway:target"
# What decides the splits and their features, beside the recipe and the rule.
CODE = ("components.data.preparation",)


def prepare(
    validated: Validated, split: SplitRule, features: Sequence[FeatureStep], contract: ContractSpec, home: Home
) -> Prepared:
    """Split the kept rows and write their features: ``<split>.parquet`` raw, ``<split>.features.parquet`` ready.

    Raises SplitError for splits that cannot be used and WorkloadError for features that cannot be made.
    """
    rooms = home.room("prepared")
    rooms.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=rooms, prefix=scratch_prefix("incoming")) as scratch:
        folder = Path(scratch) / "prepared"
        folder.mkdir()
        splits, left_out = split_rows(KeptRows(validated.path, validated.mask, contract), split, folder)
        placed = sum(split.rows for split in splits.values())
        assert placed + left_out == validated.rows, "rows in splits and in none are not the rows that were kept"
        recipe = fit_recipe(pl.scan_parquet(splits["train"].path, glob=False), features, contract)
        document = write_recipe(recipe)
        write_atomically(folder / RECIPE, document)
        samples = _write_features(splits, recipe, contract)
        rule = split.model_dump(mode="json")
        digest = digest_json([validated.digest, rule, digest_bytes(document), code_part(CODE)])
        target = home.reference("prepared", digest)
        prepared = Prepared(
            digest=digest,
            stored=target,
            stored_recipe=target / RECIPE,
            splits={name: _moved(split, target) for name, split in splits.items()},
            shifts=split_report(samples, contract),
            values=recipe.values,
            codes={feature.name: feature.cardinality for feature in recipe.codes},
            snapshot=validated.snapshot,
            by=split.by,
            left_out=left_out,
        )
        if not target.exists():
            write_json(folder / RECORD, prepared.model_dump(mode="json"))
            home.store.commit("prepared", digest, folder)
    return prepared


def _write_features(splits: dict[str, Split], recipe: Recipe, contract: ContractSpec) -> dict[str, pl.DataFrame]:
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


def features_path(raw: Path) -> Path:
    """Return where the features of a split's raw rows lie."""
    return raw.with_name(f"{raw.stem}.features.parquet")


def _moved(split: Split, target: Reference) -> Split:
    path = split.path
    return split.model_copy(update={"stored": target / path.name, "stored_features": target / features_path(path).name})
