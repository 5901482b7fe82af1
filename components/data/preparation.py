"""From kept rows to splits, and in them what the workload's kind makes for training."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.artefacts.storage import digest_file, digest_json, scratch_prefix, write_json
from components.data.audit.findings import Finding
from components.data.kept_rows import KeptRows
from components.data.results import Made, Prepared, Split, Validated
from components.data.splits.division import split_rows
from components.data.splits.split_report import REPORTED, sampled, split_report
from components.declaration.audit import AuditLimits
from components.declaration.features import FeatureStep
from components.declaration.split import SplitRule
from components.settings import Home
from components.stage_keys import code_part
from components.store.reference import Reference
from data_contracts.description.spec import ContractSpec

RECORD = "prepared.json"
# What decides the splits, beside the rule.
CODE = ("components.data.preparation",)

# Makes of raw splits what training reads, in their folder.
MakeFeatures = Callable[[Mapping[str, Split], Sequence[FeatureStep], ContractSpec, Path], Made]
# Finds leaks that only the kind knows of.
FindLeaks = Callable[[Prepared, ContractSpec, AuditLimits], Iterable[Finding]]


@dataclass(frozen=True)
class Preparation:
    """What a kind does with data before it learns from them, and the modules by which: each may be left out."""

    make: MakeFeatures | None = None
    leaks: FindLeaks | None = None
    modules: tuple[str, ...] = ()


ONLY_SPLITS = Preparation()


def prepare(
    validated: Validated,
    split: SplitRule,
    features: Sequence[FeatureStep],
    contract: ContractSpec,
    home: Home,
    kind: Preparation,
) -> Prepared:
    """Split the kept rows, ``<split>.parquet``, and let the kind make of them what training reads.

    Raises SplitError for splits that cannot be used and WorkloadError for features that cannot be made.
    """
    rooms = home.room("prepared")
    rooms.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=rooms, prefix=scratch_prefix("incoming")) as scratch:
        folder = Path(scratch) / "prepared"
        folder.mkdir()
        splits, left_out = split_rows(KeptRows(validated.path, validated.mask, contract), split, folder)
        placed = sum(one.rows for one in splits.values())
        assert placed + left_out == validated.rows, "rows in splits and in none are not the rows that were kept"
        made = kind.make(splits, features, contract, folder) if kind.make else Made()
        samples = made.samples or {name: sampled(one, contract, REPORTED) for name, one in splits.items()}
        assets = {name: digest_file(folder / name) for name in made.assets}
        rule = split.model_dump(mode="json")
        digest = digest_json([validated.digest, rule, assets, dict(made.facts), code_part((*CODE, *kind.modules))])
        target = home.reference("prepared", digest)
        prepared = Prepared(
            digest=digest,
            stored=target,
            splits={name: _moved(one, target) for name, one in splits.items()},
            shifts=split_report(samples, contract),
            stored_assets={name: target / name for name in made.assets},
            facts=dict(made.facts),
            snapshot=validated.snapshot,
            by=split.by,
            left_out=left_out,
        )
        if not target.exists():
            write_json(folder / RECORD, prepared.model_dump(mode="json"))
            home.store.commit("prepared", digest, folder)
    return prepared


def features_path(raw: Path) -> Path:
    """Return where the features of a split's raw rows lie."""
    return raw.with_name(f"{raw.stem}.features.parquet")


def _moved(split: Split, target: Reference) -> Split:
    path = split.path
    features = features_path(path)
    stored = target / features.name if features.is_file() else None
    return split.model_copy(update={"stored": target / path.name, "stored_features": stored})
