"""The leakage audit: ways in which the answer reaches the model that will not be there in serving.

Each check returns findings, none for clean splits. Validation chooses and test judges, so each later split is compared
with every earlier one. Rows and texts that recur are judged against what chance gives: see ``coincidence``.
"""

import itertools
from collections.abc import Iterator
from datetime import datetime

import polars as pl

from components.artefacts.storage import digest_json
from components.data.audit.findings import Audited, Finding
from components.data.audit.near_duplicates import KnownTexts
from components.data.audit.repeated_rows import ROUNDED, Rows, beyond_chance, shared_rows
from components.data.audit.single_feature_leakage import telling_features, telling_order
from components.data.preparation import ONLY_SPLITS, Preparation
from components.data.results import Prepared, Split
from components.data.splits.split_report import sampled
from components.declaration.audit import AuditLimits
from data_contracts.description.spec import ContractSpec, Role
from data_contracts.description.types.registry import value_type

ORDER = ("train", "validation", "test")
PAIRS = tuple(itertools.combinations(ORDER, 2))


def audit_prepared(prepared: Prepared, contract: ContractSpec, limits: AuditLimits, kind: Preparation) -> Audited:
    """Audit prepared splits and keep what was found."""
    findings = audit(prepared, contract, limits, kind)
    declared = limits.declared()
    digest = digest_json([[finding.model_dump(mode="json") for finding in findings], declared])
    return Audited(digest=digest, findings=findings, declared=declared)


def audit(
    prepared: Prepared, contract: ContractSpec, limits: AuditLimits | None = None, kind: Preparation = ONLY_SPLITS
) -> tuple[Finding, ...]:
    """Return every leak found in prepared splits, first those that only the kind knows of, then by check."""
    limits = limits or AuditLimits()
    frames = {name: sampled(prepared.splits[name], contract) for name in ORDER}
    return (
        *(kind.leaks(prepared, contract, limits) if kind.leaks else ()),
        *_duplicates(prepared, contract, limits),
        *_texts(frames, contract, limits),
        *_groups(prepared, contract, limits),
        *_time_order(prepared, contract, limits),
        *telling_features(frames["train"], frames["test"], contract, limits),
        *telling_order(prepared, contract, limits),
    )


def _called(split: str) -> str:
    return "training" if split == "train" else f"'{split}'"


def _duplicates(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> Iterator[Finding]:
    """Rows of which an earlier split has the like: the same inputs; else the same but for time, names and rounding."""
    compared = [field for field in contract.inputs if not {"time", "identifier"} & set(field.roles)]
    by_chance = not _kept_together(prepared, contract)
    for before, afters in itertools.groupby(PAIRS, key=lambda pair: pair[0]):
        earlier = prepared.splits[before]
        whole = Rows(earlier.path, earlier.rows, contract.inputs)
        alike = Rows(earlier.path, earlier.rows, compared, ROUNDED)
        same = whole.counted()
        like = alike.counted() if compared else None
        for _, after in afters:
            found = _same_rows(prepared.splits[after], whole, same, before, limits.duplicates, by_chance=by_chance)
            if found is None and like is not None:
                found = _like_rows(prepared.splits[after], alike, like, before, limits.near_duplicates)
            if found is not None:
                yield found


def _kept_together(prepared: Prepared, contract: ContractSpec) -> bool:
    """Return whether the rule of the split puts rows with equal inputs into one split, so that chance divides none.

    Strata do not: rows that differ in the label alone are cut apart.
    """
    roles: dict[str, Role] = {"time": "time", "group": "group"}
    if prepared.by in roles:
        return set(contract.with_role(roles[prepared.by])) <= set(contract.inputs)
    return prepared.by != "stratified"


def _same_rows(
    split: Split, earlier: Rows, known: pl.DataFrame, before: str, limit: float, *, by_chance: bool
) -> Finding | None:
    later = earlier._replace(path=split.path, size=split.rows)
    shared = shared_rows(later, known.lazy())
    share = shared / later.size
    if share <= limit or (by_chance and not beyond_chance(later, earlier, known, limit)):
        return None
    return Finding(
        kind="row_in_two_splits",
        split=split.name,
        score=share,
        limit=limit,
        text=f"{shared:,} of {split.rows:,} rows ({share:.2%}) of '{split.name}' are in {_called(before)}",
    )


def _like_rows(split: Split, earlier: Rows, known: pl.DataFrame, before: str, limit: float) -> Finding | None:
    judged = beyond_chance(earlier._replace(path=split.path, size=split.rows), earlier, known, limit)
    if judged is None:
        return None
    return Finding(
        kind="near_duplicate_rows",
        split=split.name,
        score=judged.excess(limit),
        limit=limit,
        text=f"{judged.found:,} of {judged.rows:,} rows ({judged.share:.2%}) of '{split.name}' are, but for rounding, "
        f"time and identifiers, in {_called(before)}, where they are rare; chance explains {judged.chance:.2%}",
    )


def _texts(frames: dict[str, pl.DataFrame], contract: ContractSpec, limits: AuditLimits) -> Iterator[Finding]:
    limit = limits.near_duplicate_texts
    for field in contract.inputs:
        if value_type(field.dtype).python is not str or "identifier" in field.roles:
            continue
        known = {name: KnownTexts(frames[name][field.name], limits.text_similarity) for name in ORDER[:-1]}
        for before, after in PAIRS:
            judged = known[before].repeated_in(frames[after][field.name], limit)
            if judged:
                yield Finding(
                    kind="near_duplicate_text",
                    field=field.name,
                    split=after,
                    score=judged.excess(limit),
                    limit=limit,
                    text=f"{judged.share:.2%} of the texts in '{field.name}' of '{after}' are (nearly) the same as one "
                    f"of {_called(before)}; chance explains {judged.chance:.2%}",
                )


def _groups(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> Iterator[Finding]:
    names = [field.name for field in contract.with_role("group")]
    if not names:
        return
    groups = {
        name: pl.scan_parquet(prepared.splits[name].path, glob=False).select(names).unique().collect(engine="streaming")
        for name in ORDER
    }
    for before, after in PAIRS:
        both = groups[after].join(groups[before], on=names, how="semi", nulls_equal=True).height
        share = both / max(groups[after].height, 1)
        if share > limits.shared_groups:
            yield Finding(
                kind="group_in_two_splits",
                field=names[0],
                split=after,
                score=share,
                limit=limits.shared_groups,
                text=f"{both:,} groups ({', '.join(names)}) of '{after}' are in {_called(before)}, too: split by group",
            )


def _time_order(prepared: Prepared, contract: ContractSpec, limits: AuditLimits) -> Iterator[Finding]:
    """Only where the workload file promises an order: every other rule mixes the times on purpose."""
    if not contract.with_role("time") or prepared.by not in ("time", None):
        return
    field = contract.with_role("time")[0].name
    for before, after in PAIRS:
        end, start = prepared.splits[before].end, prepared.splits[after].start
        if end is None or start is None or start > end:
            continue
        moment = pl.col(field).cast(pl.Datetime("us"))
        early = pl.scan_parquet(prepared.splits[after].path, glob=False).select(
            (moment <= datetime.fromisoformat(end)).mean()
        )
        share = float(early.collect(engine="streaming").item() or 0.0)
        if share > limits.time_overlap:
            yield Finding(
                kind="time_order",
                field=field,
                split=after,
                score=share,
                limit=limits.time_overlap,
                text=f"'{after}' starts at {start}, before '{before}' ends at {end}: the model knows the future",
            )
