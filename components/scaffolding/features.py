"""Which transform suits which column, as steps of the workload file."""

from typing import Any

from components.profiling.columns import Column
from components.profiling.profile import Profile

# Different texts up to which each is a category of its own.
CATEGORIES = 50
BUCKETS = 256


def feature_steps(profile: Profile) -> list[dict[str, Any]]:
    """Return the steps of the section ``features``, alike columns together."""
    columns = [one.column for one in profile.placed if one.role in ("feature", "time")]
    names = {column.name: profile.name(column.name) for column in columns}
    steps: list[dict[str, Any]] = []

    def add(transform: str, chosen: list[Column], **options: Any) -> None:
        if chosen:
            steps.append({"transform": transform, "fields": [names[one.name] for one in chosen], **options})

    texts = [one for one in columns if one.is_text]
    common = [one for one in texts if one.distinct <= CATEGORIES]
    many = [one for one in texts if one.distinct > CATEGORIES]
    add("category", common, min_count=min(20, max(2, profile.table.rows // 500)))
    if profile.label.target == "multiclass":
        add("hash_bucket", many, buckets=BUCKETS)
    else:
        add("target_mean", many)
    add("frequency", many)
    add("standardise", [one for one in columns if one.dtype in ("number", "integer", "boolean")])
    moments = [one for one in columns if one.dtype in ("date", "datetime")]
    add("season", moments)
    add("weekday", moments)
    add("time_of_day", [one for one in moments if one.dtype == "datetime"])
    return steps or [{"transform": "standardise", "fields": list(names.values())}]
