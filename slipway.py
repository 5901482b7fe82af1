"""The commands as plain functions, for a notebook or a program of one's own.

    import slipway

    slipway.new("orders", frame, label="late")  # a contract and a workload file for a frame or a file
    made = slipway.run("orders")                # as the command does; shown as a page in a notebook
    made.gates                                  # a frame: each gate, its state and why

What a command would end with a message and an exit code is an exception here: BuildRefused and PromotionRefused where
gates refused, another SlipwayError where something is to be mended. A notebook shows it as its message alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from components.artefacts.errors import GateError, SlipwayError, WorkloadError
from components.artefacts.storage import write_atomically
from components.user_modules import find_user_modules, forget_contracts
from flows import run_output
from flows.run_flow import home, run_flow

if TYPE_CHECKING:
    from components.evaluation.evidence import Evidence
    from components.monitoring.monitor import Monitored
    from components.promotion.promote import Promotion
    from components.promotion.record import PromotionRecord
    from components.promotion.rollback import RolledBack
    from components.scoring.score import Scored
    from flows.build_model import BuildOutcome
    from flows.status import Status

__all__ = [
    "GateError",
    "New",
    "Run",
    "SlipwayError",
    "build",
    "monitor",
    "new",
    "promote",
    "rollback",
    "run",
    "score",
    "status",
]

MARGIN = "padding: 0 1em 0 0; vertical-align: top; text-align: left"


@dataclass(frozen=True, repr=False)
class Run:
    """What came of a run: all of it in ``built``, ``promoted`` and ``monitored``, what one looks at as properties."""

    workload: str
    built: "BuildOutcome"
    promoted: "Promotion | None" = None
    monitored: "Monitored | None" = None
    refused: "PromotionRecord | None" = None

    @property
    def passed(self) -> bool:
        """Whether every gate passed that was asked."""
        return self.built.gates.passed and self.refused is None

    @property
    def build_id(self) -> str:
        return self.built.registered.build_id

    @property
    def folder(self) -> Path:
        """Where the build lies: graph, contract, evidence, dossier."""
        return self.built.registered.build

    @property
    def dossier(self) -> Path:
        """The page about the build."""
        return self.folder / "dossier.html"

    @property
    def evidence(self) -> "Evidence":
        """Everything that was measured on the hold-out."""
        from components.evaluation.evidence import read_evidence

        return read_evidence(self.built.evaluated.evidence)

    @property
    def metrics(self) -> pl.DataFrame:
        """What was measured: name, slice (null: the whole), value, its 95 % interval and the rows behind it."""
        columns = ("name", "slice", "value", "low", "high", "n")
        rows = [tuple(getattr(measure, column) for column in columns) for measure in self.evidence.measures]
        types = [pl.String, pl.String, pl.Float64, pl.Float64, pl.Float64, pl.Int64]
        return pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row")

    @property
    def gates(self) -> pl.DataFrame:
        """The verdicts of the build's gates, and of the promotion's if there was one."""
        judged = self.promoted or self.refused
        verdicts = [*self.built.gates.verdicts, *(judged.gates.verdicts if judged else ())]
        columns = {"gate": pl.String, "state": pl.String, "value": pl.Float64, "threshold": pl.Float64}
        rows = [(v.gate, v.state, v.value, v.threshold, v.reason, v.would_pass) for v in verdicts]
        return pl.DataFrame(rows, schema={**columns, "reason": pl.String, "would_pass": pl.String}, orient="row")

    def _entries(self) -> list[tuple[str, str, str]]:
        return list(run_output.entries(self.built, self.promoted, self.monitored, self.refused, self.workload))

    def __repr__(self) -> str:
        return "\n".join(f"{name:{run_output.NAME}}{text}" if name else text for name, text, _ in self._entries())

    def _repr_html_(self) -> str:
        """Show the run as the command prints it: the verdict, the model, the gates, where to look."""
        (_, verdict, style), *others = self._entries()
        colour = style.rpartition(" ")[2]
        rows = [
            f'<tr><td style="{MARGIN}; opacity: 0.6">{escape(name)}</td>'
            f'<td style="{MARGIN}{_coloured(style)}">{escape(text)}</td></tr>'
            for name, text, style in others
        ]
        looked = run_output.links(home(), self.built, self.promoted, self.monitored, self.refused, self.workload)
        return (
            f'<p style="font-weight: bold; color: {colour}">{escape(verdict)}</p><table>{"".join(rows)}</table>'
            f"<pre>{escape(chr(10).join(looked))}</pre>"
        )


def _coloured(style: str) -> str:
    return f"; color: {'#b58900' if style == 'yellow' else style}" if style and style != "default" else ""


@dataclass(frozen=True, repr=False)
class New:
    """The two files of a workload that was written, and the table as it was understood."""

    name: str
    contract: Path
    workload: Path
    label: str
    columns: pl.DataFrame
    warnings: tuple[str, ...]

    def _lines(self) -> list[str]:
        files = (f"contract  {self.contract}", f"workload  {self.workload}")
        return [f"label     {self.label}", *(f"look at   {warning}" for warning in self.warnings), *files]

    def __repr__(self) -> str:
        return "\n".join([str(self.columns), *self._lines()])

    def _repr_html_(self) -> str:
        """Show the columns, what to look at, and the files."""
        return f"{self.columns._repr_html_()}<pre>{escape(chr(10).join(self._lines()))}</pre>"


def new(
    name: str,
    data: Any,
    *,
    label: str | None = None,
    time: str | None = None,
    group: str | None = None,
    goal: str | None = None,
    force: bool = False,
) -> New:
    """Write the contract and the workload file of a table into the working folder, as ``slipway new`` does.

    Args:
        name: What the workload is to be called: small letters, digits, underscores.
        data: A frame of Polars or pandas, which is kept as ``data/NAME.parquet``; or a file, a folder or a pattern of
            them, or s3://bucket/key.
        label: The column that is to be predicted; it may be left out where it can only be one.
        time: The column that says when a row was: the split is by time.
        group: The column of what several rows belong to, as a customer.
        goal: What the model is for, in a sentence; its figures are added.
        force: Write over files that are there.
    """
    from components.scaffolding.scaffold import Wanted, check_new, scaffold

    files = check_new(name, Path(), force=force)
    place = str(data) if isinstance(data, str | Path) else str(_kept(data, Path("data", f"{name}.parquet"), force))
    profile = scaffold(place, files, Wanted(label, time, group, goal))
    kinds = {"name": pl.String, "type": pl.String, "missing": pl.Float64, "role": pl.String, "why": pl.String}
    rows = [(one.column.name, one.column.dtype, one.column.share_missing, one.role, one.why) for one in profile.placed]
    columns = pl.DataFrame(rows, schema=kinds, orient="row")
    return New(name, files.contract, files.workload, profile.label.column.name, columns, profile.warnings)


def _kept(data: Any, file: Path, force: bool) -> Path:
    """Write a frame beside the workload, whole or not at all."""
    frame = data if isinstance(data, pl.DataFrame) else pl.from_pandas(data)
    if file.exists() and not force:
        raise WorkloadError(f"{file} is there already: force=True writes over it, or give another name")
    written = BytesIO()
    frame.write_parquet(written)
    return write_atomically(file, written.getbuffer())


def _start_here() -> None:
    """Look at the working folder as a command does that starts now: files may be new there, or edited since."""
    find_user_modules(Path.cwd())
    forget_contracts()


def _run_flow(name: str, **parameters: Any) -> Any:
    _start_here()
    return run_flow(name, False, **parameters)


def run(workload: str) -> Run:
    """Build, gate, register, promote and monitor a workload, as ``slipway run`` does.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.

    Raises:
        BuildRefused: the build did not pass its gates; it is kept, and ``.outcome`` says all of it.
        PromotionRefused: it did not pass those of a promotion; ``.record`` says why.
        SlipwayError: something is to be mended; the message says what.
    """
    ended = _run_flow("end_to_end", workload=workload)
    return Run(workload, ended.built, ended.promoted, ended.monitored)


def build(workload: str, *, data: str = "", must_pass: bool = True) -> Run:
    """Make a build and register it as challenger if its gates pass, as ``slipway build`` does.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
        data: First characters of a data version's digest; the source is read if left empty.
        must_pass: Raise BuildRefused if a gate refuses; else the run is returned, and ``passed`` says it.
    """
    try:
        return Run(workload, _run_flow("build_model", workload=workload, data=data))
    except GateError as refused:
        outcome = getattr(refused, "outcome", None)
        if must_pass or outcome is None:
            raise
        return Run(workload, outcome)


def promote(workload: str, *, build_id: str = "", dry_run: bool = False, accept: Iterable[str] = ()) -> "Promotion":
    """Serve a build, judge what a client sees, and make it the champion, as ``slipway promote`` does.

    Args:
        workload: Name of a file in deployments/ without .yaml, or the path of a workload file.
        build_id: Build to promote; the registry's challenger if left empty.
        dry_run: Judge the build live, but change nothing that users get.
        accept: Names of gates whose failure is accepted; the ledger says so.
    """
    from components.promotion.promote import check_accepted

    check_accepted(list(accept))
    promoted: Promotion = _run_flow(
        "promote_build", workload=workload, build_id=build_id, dry_run=dry_run, accept=list(accept)
    )
    return promoted


def rollback(workload: str, *, reason: str = "asked for from Python", dry_run: bool = False) -> "RolledBack":
    """Exchange the champion and the one before it, as ``slipway rollback`` does."""
    from components.declaration.loading import read_workload
    from components.promotion.rollback import roll_back
    from components.settings import Settings

    _start_here()
    return roll_back(read_workload(workload), home(), Settings(), reason=reason, dry_run=dry_run)


def monitor(workload: str) -> "Monitored":
    """Compare later data with what the champion was measured on, as ``slipway monitor`` does."""
    monitored: Monitored = _run_flow("monitor_drift", workload=workload)
    return monitored


def score(
    workload: str, source: str | Path, target: str | Path, *, key: str = "", with_inputs: bool = False
) -> "Scored":
    """Answer a whole file with the champion, as ``slipway score`` does; rows that break the contract get reasons."""
    paths = {"source": Path(source).resolve(), "target": Path(target).resolve()}
    scored: Scored = _run_flow("score_batch", workload=workload, **paths, key=key, with_inputs=with_inputs)
    return scored


def status(workload: str) -> "Status":
    """Return the last run stage by stage, why each ran or was cached, and who serves."""
    from flows.status import status_of

    _start_here()
    return status_of(workload, home())
