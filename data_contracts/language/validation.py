"""Expectations about a data set as a whole: the only door to Great Expectations.

Great Expectations takes pandas: it is given the needed columns alone and, above ``SAMPLE`` rows, every n-th row.
What a sample cannot tell (counts, correlations, freshness) is found by Polars over all rows and given to it as a
figure; each result says what it was judged on.
"""

import contextlib
import inspect
import logging
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from data_contracts.description.spec import ContractSpec, Expectation
from data_contracts.language.expectation_arguments import check_expectations, columns_needed
from data_contracts.language.facts import Fact, fact_of
from data_contracts.language.offline_docs import make_offline

SAMPLE = 1_000_000
ROW = "slipway:row"


class ExpectationResult(BaseModel):
    """How one expectation was judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expectation: str
    arguments: dict[str, Any]
    success: bool
    observed: str
    basis: str


def check_dataset(
    rows: pl.LazyFrame, size: int, contract: ContractSpec, docs: Path | None
) -> tuple[ExpectationResult, ...]:
    """Judge every dataset-level expectation of a contract on ``size`` rows; write Data Docs HTML into ``docs``.

    Raises TypeError, in one line, for an expectation or argument that is not known.
    """
    if not contract.expectations:
        return ()
    check_expectations(contract.expectations, contract.fields, contract.name)
    step = -(-size // SAMPLE)
    facts = _named_apart([fact_of(expectation, contract, sampled=step > 1) for expectation in contract.expectations])
    asked = {name for one in contract.expectations for name in columns_needed(one, contract.fields)}
    columns = sorted(asked) or [contract.fields[0].name]
    # By row number and not with gather_every, which would bring every row into memory first.
    sample = rows.select(columns).with_row_index(ROW).filter(pl.col(ROW) % max(step, 1) == 0).drop(ROW)
    frame = sample.collect(engine="streaming").with_columns(_figures(rows, facts))
    secret = {field.name for field in contract.with_role("pii")}
    # The library shows values in its pages, of some expectations also where they are kept: all of it or none.
    shown = secret.isdisjoint(columns)
    with _quiet():
        found = _judge(frame, _judgements(contract, facts), contract.name, docs, shown=shown)
    basis = "all rows" if step <= 1 else f"every {step}th row: {frame.height:,} of {size:,}"
    return tuple(
        ExpectationResult(
            expectation=expectation.expectation,
            arguments=dict(expectation.arguments),
            success=success,
            observed=observed,
            basis=basis if fact is None else fact.basis,
        )
        for expectation, fact, (success, observed) in zip(contract.expectations, facts, found, strict=True)
    )


def _figures(rows: pl.LazyFrame, facts: Sequence[Fact | None]) -> list[pl.Expr]:
    """Return the figures as constant columns: so they stand in the same suite and the same documents as the rows."""
    asked = {fact.name: fact.value for fact in facts if fact}
    if not asked:
        return []
    found = rows.select(**asked).collect(engine="streaming").row(0, named=True)
    return [pl.lit(value, dtype=pl.Float64).alias(name) for name, value in found.items()]


def _judgements(contract: ContractSpec, facts: Sequence[Fact | None]) -> list[Expectation]:
    """Return the expectations in Great Expectations' own terms."""
    return [
        expectation
        if fact is None
        else Expectation(
            expectation="ExpectColumnMaxToBeBetween",
            arguments={"column": fact.name, "min_value": fact.low, "max_value": fact.high},
        )
        for expectation, fact in zip(contract.expectations, facts, strict=True)
    ]


def _named_apart(facts: Sequence[Fact | None]) -> list[Fact | None]:
    """Return the facts with a number after a name that is there before: each becomes a column."""
    seen: Counter[str] = Counter()
    apart: list[Fact | None] = []
    for fact in facts:
        if fact is not None:
            seen[fact.name] += 1
            fact = fact._replace(name=f"{fact.name} ({seen[fact.name]})") if seen[fact.name] > 1 else fact
        apart.append(fact)
    return apart


def _judge(
    frame: pl.DataFrame, expectations: Sequence[Expectation], name: str, docs: Path | None, *, shown: bool
) -> list[tuple[bool, str]]:
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction
    from great_expectations.data_context.types.base import ProgressBarsConfig

    # Importing it has set levels of its own.
    for logger in [logger for logger in logging.root.manager.loggerDict if logger.startswith("great_expectations")]:
        logging.getLogger(logger).setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    # What is drawn there belongs to whoever runs at the same time.
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("snapshot")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
    )
    suite = context.suites.add(gx.ExpectationSuite(name=name))
    for place, expectation in enumerate(expectations):
        asked = expectation.expectation
        kind: Any = getattr(gx.expectations, asked, None) if asked.startswith("Expect") else None
        if kind is None or inspect.isabstract(kind):
            raise TypeError(f"{name}: Great Expectations has no '{asked}'")
        try:
            suite.add_expectation(kind(**expectation.arguments, meta={"place": place}))
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name}: {asked} refuses its arguments: {_refused(error, expectation)}") from error
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    if docs is not None:
        _add_site(context, docs)
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=name,
            validation_definitions=[definition],
            actions=[UpdateDataDocsAction(name="docs", site_names=["docs"])] if docs else [],
            result_format="SUMMARY" if shown else "BOOLEAN_ONLY",
        )
    )
    outcome = checkpoint.run(batch_parameters={"dataframe": frame.to_pandas()})
    if docs is not None:
        make_offline(docs, name)
    (run,) = outcome.run_results.values()
    # The results come in an order of their own.
    results: list[Any] = list(run.results)
    in_order = sorted(results, key=lambda result: int(result.expectation_config.meta["place"]))
    return [_outcome(result, shown) for result in in_order]


def _refused(error: Exception, expectation: Expectation) -> str:
    """Say in one line which argument is wrong, and why; an error of pydantic lists them over several."""
    listed = getattr(error, "errors", None)
    if not callable(listed):
        return " ".join(str(error).split())
    told: dict[str, list[str]] = {}
    for one in listed():
        told.setdefault(".".join(map(str, one["loc"])), []).append(one["msg"])
    return "; ".join(
        f"'{place}': {' or '.join(dict.fromkeys(whys))}"
        + (f" (got {expectation.arguments[place]!r})" if place in expectation.arguments else "")
        for place, whys in told.items()
    )


def _add_site(context: Any, docs: Path) -> None:
    docs.mkdir(parents=True, exist_ok=True)
    context.add_data_docs_site(
        site_name="docs",
        site_config={
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
        },
    )


def _outcome(result: Any, shown: bool) -> tuple[bool, str]:
    # One for the expectation as a whole, or one for each metric that could not be found.
    raised = [result.exception_info, *(one for one in result.exception_info.values() if isinstance(one, dict))]
    told = [str(one["exception_message"]) for one in raised if one.get("raised_exception")]
    if told:
        return False, f"nothing, it could not be judged: {' '.join(told[0].split()) if shown else 'not shown'}"
    if not shown:
        return bool(result.success), "not shown: one of the expectations is about a pii field"
    details = result.result
    observed = details.get("observed_value")
    if observed is None and "unexpected_percent" in details:
        observed = f"{details['unexpected_percent']:.3f} % unexpected"
    if observed is None and not result.success:
        return False, "no value"
    return bool(result.success), f"{observed:.6g}" if isinstance(observed, float) else str(observed)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep logs, telemetry and the library's own deprecation warnings out of the user's terminal."""
    before = os.environ.get("GX_ANALYTICS_ENABLED")
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    loggers = {name: logging.getLogger(name) for name in ("great_expectations", "py.warnings")}
    levels = {name: logger.level for name, logger in loggers.items()}
    try:
        for logger in loggers.values():
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, logger in loggers.items():
            logger.setLevel(levels[name])
        if before is None:
            os.environ.pop("GX_ANALYTICS_ENABLED")
        else:
            os.environ["GX_ANALYTICS_ENABLED"] = before
