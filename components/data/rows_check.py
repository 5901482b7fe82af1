"""The rows of a source against the contract, counted and not kept: what a build would refuse, known in seconds."""

import tempfile
from pathlib import Path

import polars as pl

from components.artefacts.errors import SourceError
from components.data.sources.casting import cast_columns, contract_casts
from components.data.sources.source import open_source
from components.data.sources.source_files import one_line
from components.declaration.source import Source
from components.result import Result
from data_contracts.description.spec import ContractSpec
from data_contracts.language.row_checks import keeps, row_checks


class RowsChecked(Result):
    """How many rows keep the contract, and why the others do not."""

    rows: int
    refused: int
    reasons: dict[str, int]
    tolerance: float

    @property
    def tolerated(self) -> bool:
        return self.rows > 0 and self.refused <= self.tolerance * self.rows


def check_rows(source: Source, contract: ContractSpec) -> RowsChecked:
    """Count the rows that the contract refuses; SourceError or ContractError for what cannot be read as its rows."""
    with tempfile.TemporaryDirectory(prefix="slipway-validate-") as scratch:
        opened = None
        try:
            opened = open_source(source, contract, Path(scratch))
            cast = opened.rows.select(cast_columns(contract_casts(opened.rows.collect_schema(), contract)))
            columns = cast.collect_schema().names()
            checks = row_checks(contract, columns)
            broken = [check.broken.sum().alias(str(place)) for place, check in enumerate(checks)]
            counted = cast.select(pl.len().alias("rows"), keeps(contract, columns).sum().alias("kept"), *broken)
            found = counted.collect(engine="streaming").row(0, named=True)
        except pl.exceptions.PolarsError as error:
            fault = opened.fault() if opened else None
            raise SourceError(fault or f"the source cannot be read: {one_line(error)}") from error
    reasons = {check.reason: found[str(place)] for place, check in enumerate(checks) if found[str(place)]}
    return RowsChecked(
        rows=found["rows"],
        refused=found["rows"] - found["kept"],
        reasons=dict(sorted(reasons.items(), key=lambda item: -item[1])),
        tolerance=contract.quarantine_tolerance,
    )
