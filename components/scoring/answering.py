"""Parts of a file, judged by the contract and answered by the model."""

import os
from collections import Counter
from collections.abc import Sequence

import polars as pl
from polars import selectors

from components.artefacts.build import Build
from components.catalog import find_kind
from components.data.quarantine import REASONS, reasons_of
from components.data.record_batches import record_batch
from components.data.sources.csv_files import SHORT
from components.data.sources.json_lines import has_large
from components.data.sources.source_files import Opened
from data_contracts.description.spec import ContractSpec
from data_contracts.language.frame_schema import RAW
from data_contracts.language.row_checks import keeps, row_checks

# The key of a row, as it stands in the file, beside the contract's columns.
KEY = "slipway:key"
# Characters of a text that was no value of its field, in the reasons of its row.
SHOWN = 200
NO_ANSWER = "the model has no finite answer to this row"


class Answerer:
    """Answers parts of a file, and counts what became of their rows."""

    def __init__(self, build: Build, inputs: ContractSpec, opened: Opened, key: str, *, with_inputs: bool) -> None:
        self.rows = 0
        self.refused = 0
        self.refusals = Counter[str]()
        self._inputs = inputs
        self._names = [field.name for field in inputs.fields]
        cores = os.cpu_count() or 1
        self._bulk = find_kind(build.manifest.kind).batches(build.parts(), build.contract(), cores)
        self._shape = build.serving().answer
        self._opened = opened
        beside = [name for name in self._names if name != key] if with_inputs else []
        self.columns = [key, *beside, *(output.name for output in self._shape.outputs), "reasons"]
        # What only a second look at the file can tell to be a fault, which is taken at the end.
        self._short = False
        self._large: set[str] = set()

    def answer(self, part: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a part as ``columns`` names them; a refused row has no answer, a good one no reasons."""
        reasons = self._reasons(part)
        is_good = reasons.is_null()
        valid = part if is_good.all() else part.filter(is_good)
        answers = self._named(valid)
        if valid is not part:
            answers = _spread(answers, is_good)
        reasons, answers = _finite(reasons, answers)
        self._count(part, reasons)
        inputs = part.select(name for name in self._names if name in self.columns[1:])
        return pl.DataFrame([part[KEY].alias(self.columns[0]), *inputs, *answers, _with_texts(reasons, part)])

    def _named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the answers as a client gets them; texts are texts where there are none, too."""
        answers = self._bulk.predict(record_batch(rows.select(self._names)))
        texts = {output.name: pl.String for output in self._shape.outputs if output.dtype == "string"}
        return pl.DataFrame(self._shape.named(answers), schema_overrides=texts)

    def refuse_faults(self) -> None:
        """Raise SourceError for what a second look at the file finds to be a fault."""
        if self._short:
            self._opened.refuse_short_rows()
        self._opened.refuse_inexact(self._large)

    def _reasons(self, part: pl.DataFrame) -> pl.Series:
        """Return why each row is refused, null for a good one: the reasons of the few cost as much as judging all."""
        is_kept = part.select(kept=keeps(self._inputs, part.columns)).to_series()
        if is_kept.all():
            return pl.Series("reasons", [None], dtype=REASONS).new_from_index(0, part.height)
        explained = part.filter(~is_kept).select(reasons_of(row_checks(self._inputs, part.columns)))
        assert explained["reasons"].list.len().min() != 0, "a row was refused without a reason"
        return _spread(explained, ~is_kept).to_series()

    def _count(self, part: pl.DataFrame, reasons: pl.Series) -> None:
        why = reasons.drop_nulls()
        self._short |= SHORT in part.columns and bool(part[SHORT].any())
        for field in self._opened.uncertain(self._inputs):
            if part.height and part.select(has_large(field.name)).item():
                self._large.add(field.name)
        self.rows += part.height
        self.refused += len(why)
        self.refusals.update(why.explode())


def _spread(rows: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    """Return rows where ``places`` is true, in order, and nulls elsewhere."""
    index = pl.select(pl.when(places).then(places.cum_sum() - 1).cast(pl.UInt32)).to_series()
    return rows.select(pl.all().gather(index))


def _finite(reasons: pl.Series, answers: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """Refuse the rows whose answer is not a number: they keep the contract, but the model cannot compute with them."""
    finite = answers.select(pl.all_horizontal(selectors.float().is_finite().fill_null(True))).to_series()
    if finite.all():
        return reasons, answers
    told = pl.select(pl.when(finite).then(reasons).otherwise(pl.lit([NO_ANSWER])).alias("reasons")).to_series()
    return told, answers.select(pl.when(finite).then(pl.all()))


def _with_texts(reasons: pl.Series, part: pl.DataFrame) -> pl.Series:
    """Add to the reasons of a row the texts that did not become values of their fields: the cells have none."""
    told: Sequence[pl.Series] = [one for one in part if one.name.endswith(RAW) and one.null_count() < len(one)]
    if not told:
        return reasons
    texts = [
        # Null where there is no text.
        pl.concat_str(pl.lit(f"{one.name.removesuffix(RAW)} was '"), pl.col(one.name).str.slice(0, SHOWN), pl.lit("'"))
        for one in told
    ]
    both = pl.DataFrame([reasons, *told]).select(
        pl.when(pl.col("reasons").is_not_null()).then(
            pl.col("reasons").list.concat(pl.concat_list(texts).list.drop_nulls())
        )
    )
    return both.to_series().alias("reasons")
