"""The workload file of a table: split, features, thresholds and gates, each with the reason for its figure."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from components.declaration.metrics import sign_of, title_of
from components.declaration.split import TimeSplit
from components.profiling.profile import Profile, label_deviation, metric_of
from components.profiling.relations import STRONG
from components.scaffolding.features import feature_steps
from components.scaffolding.names import class_name

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
LATENCY_MS, TRAINING_USD, SERVING_USD = 100, 1, 0.1
# What a split asks for where the file says nothing.
MIN_CLASS_ROWS: int = TimeSplit.model_fields["min_class_rows"].default
SMALL = 20_000


def workload_text(name: str, profile: Profile, goal: str | None) -> str:
    """Return the file ``deployments/<name>.yaml``."""
    parts = [
        "# Proposed by `slipway new`; what is marked PROPOSED is for a person to decide.",
        _goal(profile, goal),
        f"name: {name}\nkind: tabular\ncontract: data_contracts.{name}:{class_name(name)}",
        _source(profile),
        _split(profile),
        _features(profile),
        _model(profile),
        _audit(profile),
        _gates(profile),
        _serving(profile),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _goal(profile: Profile, said: str | None) -> str:
    metric = metric_of(profile.label)
    direction = "at_least" if sign_of(metric) > 0 else "at_most"
    threshold = threshold_of(profile)
    reached = profile.baseline
    why = (
        f"# PROPOSED: a quick model reached {reached.value:.4g} on {reached.rows:,} rows, the same answer for all "
        f"{reached.constant:.4g}.\n  # What is good enough is yours to say."
        if reached
        else "# PROPOSED: there were too few rows to try a quick model."
    )
    words = said.rstrip(". ") if said else f"Tell {profile.label.column.name} of a row of {profile.path}"
    limit = "at least" if direction == "at_least" else "at most"
    statement = (
        f"{words}: {title_of(metric)} {limit} {threshold:g}, p95 under {LATENCY_MS} ms, training under "
        f"{TRAINING_USD:g} USD, serving under {SERVING_USD:g} USD per 1,000 answers."
    )
    return (
        f"goal:\n  statement: {_text(statement)}\n  metric: {metric}\n  direction: {direction}\n  {why}\n"
        f"  threshold: {threshold:g}\n  latency_p95_ms: {LATENCY_MS}\n  training_usd: {TRAINING_USD:g}\n"
        f"  serving_usd_per_1000: {SERVING_USD:g}"
    )


def threshold_of(profile: Profile) -> float:
    """Return a threshold that a model of the quick one's quality will reach, and the same answer for all will not.

    Three deviations of the metric on the test split from the quick model's value: one-sided intervals must clear it.
    """
    metric, reached = metric_of(profile.label), profile.baseline
    higher = sign_of(metric) > 0
    if reached is None:
        return {"auc": 0.5, "accuracy": 0.0, "macro_f1": 0.0}.get(metric, _rounded_up(2 * _deviation(profile)))
    room = 3.5 * reached.spread
    if higher:
        floor = reached.constant + 0.1 * (reached.value - reached.constant)
        aimed = max(reached.value - room, floor) if reached.value > reached.constant else reached.value - room
        return max(0.0, math.floor(aimed * 100) / 100)
    return _rounded_up(max(min(reached.value + room, reached.constant * 1.2), reached.value * 1.02))


def _deviation(profile: Profile) -> float:
    return label_deviation(profile.table.sample, profile.label) or 1.0


def _rounded_up(value: float) -> float:
    if value <= 0:
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return float(f"{math.ceil(value / unit) * unit:.12g}")


def _source(profile: Profile) -> str:
    source = profile.source
    lines = [f"source:\n  path: {_text(str(source.path))}"]
    if source.format is not None and not str(source.path).lower().endswith((".csv", ".csv.gz", ".csv.zip")):
        lines.append(f"  format: {source.format}")
    if source.separator != ",":
        lines.append(f"  separator: {_text(source.separator)}")
    if source.null_values != ("",):
        lines.append(
            f"  # These stand for a missing value.\n  null_values: [{', '.join(map(_text, source.null_values))}]"
        )
    if source.rename:
        lines.append("  # The pipeline has columns of its own of these names, or could not read them as names.")
        lines.append(f"  rename: {_mapping(source.rename)}")
    if source.dates:
        lines.append(f"  # CHECK: day and month in the right order?\n  dates: {_mapping(source.dates)}")
    if source.decimal_comma:
        lines.append(f"  decimal_comma: {_value(source.decimal_comma)}")
    if source.values:
        lines.append("  # Texts that stand for a missing value.\n  values:")
        lines += [f"    {_text(name)}: {_mapping(told)}" for name, told in source.values.items()]
    return "\n".join(lines)


def _mapping(told: Mapping[str, str | None]) -> str:
    pairs = (f"{_text(key)}: {'null' if value is None else _text(value)}" for key, value in told.items())
    return "{" + ", ".join(pairs) + "}"


def _split(profile: Profile) -> str:
    if profile.division == "time":
        column = profile.of_role("time")[0].column.name
        return _time_split(profile, column)
    least = _min_class_rows(profile)
    told = {
        "group": "# All rows of a group lie in one split.",
        "stratified": "# Each class has its share in every split. If rows have an order in time, split by it instead.",
        "random": "# If rows have an order in time, or repeat an entity, split by time or by group instead.",
    }[profile.division]
    shares = "\n".join(f"  {name}: {share:g}" for name, share in SHARES.items())
    return f"{told}\nsplit:\n  by: {profile.division}\n{shares}{least}"


def _min_class_rows(profile: Profile) -> str:
    counts = [rows for _, rows in profile.label.classes] or (
        [rows for _, rows in profile.label.column.values] if profile.label.target == "binary" else []
    )
    if not counts:
        return ""
    expected = int(min(counts) * min(SHARES.values()) * (0.5 if profile.division != "stratified" else 0.8))
    if expected >= MIN_CLASS_ROWS:
        return ""
    return f"\n  # The rarest class has {min(counts)} rows.\n  min_class_rows: {max(1, expected)}"


def _time_split(profile: Profile, column: str) -> str:
    days = profile.table.sample.get_column(column).drop_nulls().cast(pl.Date).sort()
    first, last = days[0], days[-1]
    cuts = [days[min(len(days) - 1, int(len(days) * share))] for share in (0.65, 0.8)]
    if not first < cuts[0] < cuts[1] < last:
        step = max(1, (last - first).days // 5)
        cuts = [first + timedelta(days=3 * step), first + timedelta(days=4 * step)]
    periods = {"train": (first, cuts[0]), "validation": (cuts[0] + timedelta(days=1), cuts[1])}
    periods["test"] = (cuts[1] + timedelta(days=1), _day(profile.table.column(column).high))
    rows = "\n".join(f"  {name}: {{start: {start}, end: {end}}}" for name, (start, end) in periods.items())
    return (
        f"# By '{column}': judged on what came later, as it will be used. Later rows are named in a period "
        f"`monitor`, for drift.\nsplit:\n  by: time\n{rows}{_min_class_rows(profile)}"
    )


def _day(moment: Any) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _features(profile: Profile) -> str:
    lines = [
        "  - {" + ", ".join(f"{word}: {_value(value)}" for word, value in step.items()) + "}"
        for step in feature_steps(profile)
    ]
    return "features:\n" + "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return _text(value) if isinstance(value, str) else str(value)


def _model(profile: Profile) -> str:
    rows = profile.table.rows
    batch = 64 if rows < 2_000 else 256 if rows < 20_000 else 1024
    epochs = 30 if rows < 2_000 else 15 if rows < 20_000 else 6
    hidden = "[64, 32]" if rows < 20_000 else "[256, 128]"
    trees = min(20, max(1, rows // 1_000))
    return (
        f"model:\n  epochs: {epochs}\n  batch_size: {batch}\n  hidden: {hidden}\n  time_cap_minutes: 4\n"
        f"  baseline: {{min_child_weight: {trees}}}"
    )


def _audit(profile: Profile) -> str:
    features = {one.column.name for one in profile.placed if one.role in ("feature", "time", "group")}
    # The audit asks the test split, whose few rows may say more than all.
    room = min(0.15, 1.0 / math.sqrt(profile.table.rows * SHARES["test"]))
    strong = {
        name: area for name, area in profile.relations.telling.items() if area > STRONG - room and name in features
    }
    lines = []
    if strong and profile.label.target != "regression":
        named = ", ".join(f"{name} ({area:.3f})" for name, area in sorted(strong.items(), key=lambda one: -one[1])[:3])
        lines.append(
            f"  # CHECK: alone these tell the answer: {_flat(named)}. Known before it? Then so be it.\n  feature_auc: 1"
        )
    if profile.division != "time":
        lines.append("  # The rows are divided at random: that the file is sorted tells nothing.\n  order_auc: 1")
    if (share := profile.relations.duplicates) > 0.001:
        lines.append(
            f"  # {share:.1%} of the rows have the inputs of another row.\n  duplicates: 1\n  near_duplicates: 1"
        )
    elif profile.table.rows < 5_000:
        lines.append("  near_duplicates: 0.05")
    return "audit:\n" + "\n".join(lines) if lines else ""


def _gates(profile: Profile) -> str:
    lines = [
        "  # PROPOSED for a first look: what an interval cannot decide passes. Take it out before it matters.",
        "  undecided: pass",
    ]
    if profile.label.target == "regression":
        size = _deviation(profile)
        lines += [
            f"  # In units of '{_flat(profile.label.column.name)}', which has a deviation of {size:.4g}.",
            f"  baseline_margin: {_rounded_up(0.02 * size):g}",
            f"  champion_margin: {_rounded_up(0.02 * size):g}",
            f"  slice_margin: {_rounded_up(0.1 * size):g}",
            f"  slice_gap: {_rounded_up(0.5 * size):g}",
        ]
    else:
        lines.append(f"  baseline_margin: {0.02 if profile.table.rows < 5_000 else 0.005}")
        lines.append(f"  calibration_error: {_calibration(profile):g}")
    return "gates:\n" + "\n".join(lines)


def _serving(profile: Profile) -> str:
    if profile.table.rows >= SMALL:
        return "serving: {port: 8080}"
    return "# So few rows cannot tell what a smaller model would lose.\nserving:\n  port: 8080\n  variants: {allow: []}"


def _calibration(profile: Profile) -> float:
    """Return what a calibrated model's error may come to by chance alone: it grows as the rows become fewer."""
    test = max(10, profile.table.rows * SHARES["test"])
    return round(min(0.5, max(0.05, 1.5 / math.sqrt(test))), 2)


def _text(value: str) -> str:
    """Return a text in double quotes, which YAML reads as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def _flat(text: str) -> str:
    return " ".join(text.split())
