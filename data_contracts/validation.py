"""Expectations about a data set as a whole: the only door to Great Expectations.

Great Expectations takes pandas: it is given the needed columns alone and, above ``SAMPLE`` rows, every n-th row.
What depends on all rows (their count) is then counted by Polars; each result says what it was judged on.
"""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from data_contracts.spec import ContractSpec, Expectation

SAMPLE = 1_000_000
ROW_COUNT = "ExpectTableRowCountToBeBetween"


class ExpectationResult(BaseModel):
    """How one expectation was judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expectation: str
    arguments: dict[str, Any]
    success: bool
    observed: str
    basis: str


def check_dataset(path: Path, contract: ContractSpec, docs: Path | None) -> tuple[ExpectationResult, ...]:
    """Judge every dataset-level expectation of a contract on a Parquet file; write Data Docs HTML into ``docs``.

    Raises TypeError for an expectation or argument that Great Expectations does not know.
    """
    if not contract.expectations:
        return ()
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    step = -(-rows // SAMPLE)
    columns = sorted({name for expectation in contract.expectations for name in _columns(expectation, contract)})
    # By row number and not with gather_every, which would bring every row into memory first.
    sample = pl.scan_parquet(path, row_index_name="row").filter(pl.col("row") % max(step, 1) == 0)
    frame = sample.select(columns).collect(engine="streaming")
    with _quiet():
        found = _judge(frame, contract, docs)
    basis = "all rows" if step <= 1 else f"every {step}th row: {frame.height:,} of {rows:,}"
    results = []
    for expectation, (success, observed) in zip(contract.expectations, found, strict=True):
        on = basis
        if expectation.expectation == ROW_COUNT and step > 1:
            low, high = (expectation.arguments.get(key) for key in ("min_value", "max_value"))
            success = (low is None or rows >= low) and (high is None or rows <= high)
            observed, on = str(rows), "all rows, counted by Polars"
        results.append(
            ExpectationResult(
                expectation=expectation.expectation,
                arguments=dict(expectation.arguments),
                success=success,
                observed=observed,
                basis=on,
            )
        )
    return tuple(results)


def _columns(expectation: Expectation, contract: ContractSpec) -> list[str]:
    named = {field.name for field in contract.fields}
    given = [value for key, value in expectation.arguments.items() if key.startswith("column")]
    flat = [str(name) for value in given for name in (value if isinstance(value, (list, tuple)) else [value])]
    if unknown := [name for name in flat if name not in named]:
        raise TypeError(f"{expectation.expectation} names '{unknown[0]}', which is no field of {contract.name}")
    return flat or [contract.fields[0].name]


def _judge(frame: pl.DataFrame, contract: ContractSpec, docs: Path | None) -> list[tuple[bool, str]]:
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction

    # Importing it has set levels of its own.
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("great_expectations")]:
        logging.getLogger(name).setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    batch = (
        context.data_sources.add_pandas("snapshot")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
    )
    suite = context.suites.add(gx.ExpectationSuite(name=contract.name))
    for expectation in contract.expectations:
        kind = getattr(gx.expectations, expectation.expectation, None)
        if kind is None:
            raise TypeError(f"{contract.name}: Great Expectations has no '{expectation.expectation}'")
        try:
            suite.add_expectation(kind(**expectation.arguments))
        except ValueError as error:
            raise TypeError(f"{contract.name}: {expectation.expectation} refuses its arguments: {error}") from error
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=contract.name, data=batch, suite=suite)
    )
    if docs is not None:
        _add_site(context, docs)
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=contract.name,
            validation_definitions=[definition],
            actions=[UpdateDataDocsAction(name="docs", site_names=["docs"])] if docs else [],
            result_format="SUMMARY",
        )
    )
    outcome = checkpoint.run(batch_parameters={"dataframe": frame.to_pandas()})
    (run,) = outcome.run_results.values()
    return [_outcome(result) for result in run.results]


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


def _outcome(result: Any) -> tuple[bool, str]:
    if result.exception_info.get("raised_exception"):
        return False, str(result.exception_info.get("exception_message"))
    details = result.result
    observed = details.get("observed_value")
    if observed is None and "unexpected_percent" in details:
        observed = f"{details['unexpected_percent']:.3f} % unexpected"
    return bool(result.success), f"{observed:.6g}" if isinstance(observed, float) else str(observed)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars, logs, telemetry and the library's own deprecation warnings out of the user's terminal."""
    before = os.environ.get("GX_ANALYTICS_ENABLED")
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    loggers = {name: logging.getLogger(name) for name in ("great_expectations", "py.warnings")}
    levels = {name: logger.level for name, logger in loggers.items()}
    try:
        for logger in loggers.values():
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, logger in loggers.items():
            logger.setLevel(levels[name])
        if before is None:
            os.environ.pop("GX_ANALYTICS_ENABLED")
        else:
            os.environ["GX_ANALYTICS_ENABLED"] = before
