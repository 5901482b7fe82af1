"""From kept rows to features: split, fit the recipe on the training split alone, apply it to every split."""

from pathlib import Path

import msgspec
import polars as pl

from components.data_results import Prepared, Split, Validated
from components.declaration import Workload
from components.features.recipe import Recipe, fit_recipe, write_recipe
from components.settings import Home
from components.splits import split_rows
from components.storage import atomic_folder, digest_json, write_atomically
from data_contracts.spec import ContractSpec

RECIPE = "recipe.json"
RECORD = "prepared.json"
LABEL = "label"
FORMAT = 1


def prepare(validated: Validated, workload: Workload, contract: ContractSpec, home: Home) -> Prepared:
    """Split the kept rows and write their features: ``<split>.parquet`` raw, ``<split>.features.parquet`` ready.

    Raises SplitError for splits that cannot be used and WorkloadError for features that cannot be made.
    """
    declared = [workload.split.model_dump(mode="json"), [step.model_dump(mode="json") for step in workload.features]]
    digest = digest_json([FORMAT, validated.digest, *declared, workload.seed])
    target = home.room("prepared", digest)
    if not (target / RECORD).is_file():
        with atomic_folder(target) as folder:
            splits = split_rows(validated.path, workload.split, contract, folder)
            recipe = fit_recipe(pl.scan_parquet(splits["train"].path), workload.features, contract)
            write_atomically(folder / RECIPE, write_recipe(recipe))
            features = {name: _write_features(split, recipe, contract) for name, split in splits.items()}
            prepared = Prepared(
                digest=digest,
                path=target,
                recipe=target / RECIPE,
                splits={name: _moved(split, features[name], target) for name, split in splits.items()},
                values=recipe.values,
                codes={feature.name: feature.cardinality for feature in recipe.codes},
            )
            document = prepared.model_dump_json().encode()
            write_atomically(folder / RECORD, msgspec.json.format(document, indent=2) + b"\n")
    return Prepared.model_validate_json((target / RECORD).read_bytes())


def _write_features(split: Split, recipe: Recipe, contract: ContractSpec) -> Path:
    path = split.path.with_name(f"{split.name}.features.parquet")
    label = contract.label
    target = pl.col(label.name).cast(pl.UInt8 if label.dtype == "boolean" else pl.Float32).alias(LABEL)
    rows = pl.scan_parquet(split.path).with_columns(target)
    recipe.apply(rows, keep=[LABEL]).sink_parquet(path, compression_level=1, engine="streaming")
    return path


def _moved(split: Split, features: Path, target: Path) -> Split:
    return split.model_copy(update={"path": target / split.path.name, "features": target / features.name})
