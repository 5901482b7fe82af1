"""The workload file: one YAML that says what a model is for, typed down to the last key.

Gates read the goal exactly as it stands here and quote it; an unknown key or a bad value is refused with its place.
"""

import importlib
import importlib.util
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from components.artefacts.errors import WorkloadError
from components.compression.declaration import Variants
from components.cron_lines import check_cron_line
from components.data.audit.audit_declaration import AuditLimits
from components.data.splits.split_declaration import Period as Period
from components.data.splits.split_declaration import SplitRule
from components.data.splits.split_declaration import TimeSplit as TimeSplit
from components.declared_values import check_declared_values
from components.evaluation.targets import CLASS_METRICS, METRICS, Metric, classes_of, target_of
from components.gates.declaration import Gates
from components.section import Section as Section
from components.user_code import told
from components.validation_errors import describe_validation_error
from components.yaml_document import Written, YamlFault, read_yaml
from data_contracts.contract import Contract
from data_contracts.description.spec import ContractSpec, Role

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class Goal(Section):
    """What the model is for, as a person says it and as the gates read it."""

    statement: str = Field(min_length=20, description="The goal in a sentence that names every figure below.")
    metric: Metric = Field(description="What decides between models and at the gate.")
    direction: Literal["at_least", "at_most"] = Field(description="Which side of the threshold is good.")
    threshold: float = Field(description="What the metric must reach on the hold-out.")
    unit: Literal["row", "day", "group"] | None = Field(
        None,
        description="What future data come in, and intervals draw: single rows, days of the contract's time field, or "
        "its groups (role 'group'); the one that makes the widest interval if not said.",
    )
    latency_p95_ms: float = Field(gt=0, le=60_000, description="Milliseconds a single answer may take, p95.")
    latency_p99_ms: float | None = Field(
        None, gt=0, le=60_000, description="The same at p99; not asked if not declared."
    )
    training_usd: float = Field(gt=0, description="What one training may cost.")
    serving_usd_per_1000: float = Field(gt=0, description="What 1,000 answers may cost.")

    @model_validator(mode="after")
    def _statement_names_every_figure(self) -> "Goal":
        said = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", self.statement.replace(",", ""))}
        for key in ("threshold", "latency_p95_ms", "latency_p99_ms", "training_usd", "serving_usd_per_1000"):
            if getattr(self, key) not in (None, *said):
                figure = getattr(self, key)
                raise ValueError(f"the statement does not mention {key} ({figure}): say what the gates check")
        return self


class Source(Section):
    """Where the rows come from: exactly one of ``python``, ``path`` and ``sql``."""

    python: Reference | None = Field(None, description="module:function that returns a Polars frame, no arguments.")
    packages: tuple[str, ...] = Field((), description="Installed packages whose files the function reads.")
    reads: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="Files, folders and patterns that the function reads. If these and packages are all that it reads, "
        "it is called again when one of them, its code or a module that it imports has changed. Without both it is "
        "called in every run.",
    )
    path: str | None = Field(
        None, min_length=1, description="A file, a folder, a pattern like data/*.parquet, or s3://bucket/key of these."
    )
    format: Literal["parquet", "csv", "ipc", "jsonl"] | None = Field(None, description="By the ending if not given.")
    separator: str = Field(",", min_length=1, max_length=1, description="Between the values of a CSV file.")
    null_values: tuple[str, ...] = Field(("",), description="Texts of a CSV file that mean a missing value.")
    max_unpacked_bytes: int = Field(
        100 * 2**30, ge=1, description="What the packed files (gz, zip) of a source may come to when unpacked."
    )
    sql: str | None = Field(None, min_length=1, description="A query; its rows are the data.")
    uri: str | None = Field(
        None, description="postgresql://... or sqlite:///file; ${NAME} is replaced by that environment variable."
    )

    @field_validator("path", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, Path) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> "Source":
        given = [key for key in ("python", "path", "sql") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of python, path and sql, not {' and '.join(given) or 'none'}")
        if (self.sql is None) != (self.uri is None):
            raise ValueError("sql needs a uri (which database), and uri an sql (which rows)")
        if self.python is None and (self.packages or self.reads):
            raise ValueError("packages and reads say what a python function reads: leave them out")
        return self


class FeatureStep(Section):
    """One transform over some fields, with the transform's own options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    transform: str
    fields: tuple[str, ...] = Field(min_length=1)

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Serving(Section):
    """How the data plane answers."""

    port: int = Field(8080, ge=1, le=65_535)
    max_rows: int = Field(10_000, ge=1, le=1_000_000, description="Rows a request may hold.")
    max_body_bytes: int = Field(8_000_000, ge=1_000, le=1_000_000_000)
    decision_threshold: float = Field(0.5, ge=0, le=1, description="Probability from which the answer is yes.")
    log_predictions: float = Field(1.0, ge=0, le=1, description="Share of predictions that are logged.")
    variants: Variants = Variants()


class Monitoring(Section):
    """When drift is worth waking somebody."""

    window: Literal["day", "week", "month"] = "month"
    false_alarm_rate: float = Field(0.01, gt=0, lt=0.5, description="Benjamini-Hochberg level over the columns.")
    effect: float = Field(
        0.1,
        gt=0,
        description="Smallest distance that matters: Wasserstein in standard deviations for numbers, "
        "Jensen-Shannon for categories.",
    )
    windows_in_a_row: int = Field(2, ge=1, le=30)


class Schedule(Section):
    """Cron lines for the scheduled flow runs (UTC)."""

    build: str | None = None
    monitor: str | None = None

    @field_validator("build", "monitor")
    @classmethod
    def _is_cron_line(cls, line: str | None) -> str | None:
        if line is not None:
            check_cron_line(line)
        return line


class Workload(Section):
    """A whole workload file."""

    goal: Goal
    name: Name
    kind: Name
    contract: Reference
    source: Source
    split: SplitRule
    audit: AuditLimits = AuditLimits()
    features: tuple[FeatureStep, ...] = Field(min_length=1)
    model: dict[str, Any] = Field(default_factory=dict, description="Options of the kind.")
    gates: Gates = Gates()
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()
    schedule: Schedule = Schedule()
    seed: int = Field(2013, ge=0, lt=2**32)
    _written: dict[tuple[str | int, ...], Written] = PrivateAttr(default_factory=dict)
    _given: str = PrivateAttr("")

    @property
    def given(self) -> str:
        """How a command that is suggested names it: as it was given, for a file elsewhere is unknown by its name."""
        return shlex.quote(self._given or self.name)

    def told_place(self, *place: str | int) -> str:
        """Return a place of the file for a message, with its line if the workload was read from a file."""
        found = self._written.get(place)
        return f"'{'.'.join(map(str, place))}'" + (f" (line {found.line})" if found else "")

    def told_words(self, *place: str | int) -> str | None:
        """Return the words that stand at a place of the file, None in quotes or if it was not read from a file."""
        found = self._written.get(place)
        return found.text if found and found.text and not found.quoted else None


def known_workloads() -> dict[str, Path]:
    """Return the workload files by name: those beside the working directory win over the installed ones."""
    spec = importlib.util.find_spec("deployments")
    installed = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    found: dict[str, Path] = {}
    for folder in [*installed, Path("deployments")]:
        found.update({path.stem: path.resolve() for path in sorted(folder.glob("*.yaml"))})
    return found


def find_workload(name_or_path: str) -> Path:
    """Return the file of a workload given by name or path; WorkloadError says what is known."""
    if name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        if not path.is_file():
            where = "" if path.is_absolute() else f" in {Path.cwd()}"
            raise WorkloadError(f"workload file {path} does not exist{where}")
        return path.resolve()
    known = known_workloads()
    if name_or_path not in known:
        raise WorkloadError(
            f"unknown workload '{name_or_path[:80]}'; known: {', '.join(known) or 'none'}. {_instead(name_or_path)}"
        )
    return known[name_or_path]


def _instead(name: str) -> str:
    """Say what to give instead of a name that is unknown: the file of that name, if it lies in the current folder."""
    for file in (Path(f"{name}{ending}") for ending in (".yaml", ".yml")):
        if file.is_file():
            return f"A workload file is given by its path: there is a {file} here"
    return "Give one of these, or the path of a workload file ending in .yaml"


def read_workload(name_or_path: str) -> Workload:
    """Read and check a workload file; WorkloadError names the file, the key and what is allowed."""
    path = find_workload(name_or_path)
    try:
        document = read_yaml(path.read_bytes())
    except YamlFault as error:
        raise WorkloadError(f"{path.name}: {error}") from error
    if not isinstance(document.values, dict):
        raise WorkloadError(f"{path.name} holds no mapping of keys; see deployments/flights.yaml for a whole one")
    workload = parse_workload(document.values, where=path.name, written=document.written)
    workload._given = name_or_path
    return workload


def parse_workload(
    document: dict[str, Any], where: str, written: Mapping[tuple[str | int, ...], Written] | None = None
) -> Workload:
    """Check a workload given as plain data; ``where`` names it in messages, ``written`` says how it stands there."""
    try:
        workload = Workload.model_validate(document)
    except ValidationError as error:
        told = describe_validation_error(error, Workload, written)
        raise WorkloadError(f"{where}: {told}") from error
    workload._written.update(written or {})
    return workload


def contract_of(workload: Workload) -> ContractSpec:
    """Return the compiled contract of a workload; WorkloadError if its class cannot be found or compiled."""
    module, _, name = workload.contract.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        # The module is the user's own and may raise anything.
        where = (
            _looked_for(workload) if isinstance(error, ModuleNotFoundError) and _is_or_holds(error.name, module) else ""
        )
        raise WorkloadError(f"'contract': {workload.contract} cannot be imported: {told(error)}{where}") from error
    if not (isinstance(found, type) and issubclass(found, Contract)):
        raise WorkloadError(f"'contract': {workload.contract} is not a subclass of data_contracts.contract.Contract")
    try:
        contract = found.spec()
    except TypeError as error:
        raise WorkloadError(f"'contract': {workload.contract}: {error}") from error
    _check_against_contract(workload, contract)
    check_declared_values(workload, contract)
    return contract


def _looked_for(workload: Workload) -> str:
    by_path = workload._given.endswith((".yaml", ".yml"))
    beside = f", beside the workload file ({Path(workload._given).resolve().parent})" if by_path else ""
    return f"; looked for in {Path.cwd()}{beside}"


def _is_or_holds(name: str | None, module: str) -> bool:
    return f"{module}.".startswith(f"{name}.")


def _check_against_contract(workload: Workload, contract: ContractSpec) -> None:
    target, metric = target_of(contract), workload.goal.metric
    if metric not in METRICS[target]:
        raise WorkloadError(
            f"'goal.metric': {metric} cannot judge '{contract.label.name}', a {contract.label.dtype}; "
            f"for {target} answers: {', '.join(METRICS[target])}"
        )
    _check_unit(workload, contract)
    _check_costs(workload, contract)
    _check_floors(workload, contract)
    known = {field.name for field in contract.inputs}
    for key, fields in workload.gates.fields().items():
        for field in fields:
            if field not in known:
                raise WorkloadError(
                    f"'gates.{key}': '{field}' is not an input of {contract.name}; inputs: {sorted(known)}"
                )


def _check_unit(workload: Workload, contract: ContractSpec) -> None:
    role: Role | None = {"day": "time", "group": "group"}.get(workload.goal.unit or "")  # type: ignore[assignment]
    if role and not contract.with_role(role):
        raise WorkloadError(
            f"'goal.unit': {workload.goal.unit} needs a field with role '{role}', and {contract.name} has none; "
            "give one that role, or say unit: row"
        )


def _check_costs(workload: Workload, contract: ContractSpec) -> None:
    costs, label = workload.gates.costs, contract.label
    if costs is None:
        return
    allowed = [str(one) for one in label.allowed]
    if unknown := [name for name in costs.classes if name not in allowed]:
        told = f"the classes are {', '.join(allowed)}" if allowed else f"it is a {label.dtype} and has no classes"
        raise WorkloadError(f"'gates.costs.classes': {', '.join(unknown)} is no class of '{label.name}'; {told}")
    if not costs.classes and label.dtype != "boolean":
        raise WorkloadError(
            f"'gates.costs': false_alarm and miss are about yes or no, and '{label.name}' is a {label.dtype}; "
            + ("give classes: what it costs to miss each" if allowed else "leave the costs out")
        )


def _check_floors(workload: Workload, contract: ContractSpec) -> None:
    target, classes, label = target_of(contract), classes_of(contract), contract.label
    for place, floor in enumerate(workload.gates.floors):
        key = f"'gates.floors.{place}'"
        allowed = (*METRICS[target], *(CLASS_METRICS if classes else ()))
        if floor.metric not in allowed:
            raise WorkloadError(
                f"{key}: {floor.metric} cannot judge '{label.name}', a {label.dtype}; "
                f"for {target} answers: {', '.join(allowed)}"
            )
        if floor.of is not None and floor.of not in classes:
            raise WorkloadError(f"{key}: '{floor.of}' is no class of '{label.name}'; classes: {', '.join(classes)}")
        if floor.metric == workload.goal.metric:
            raise WorkloadError(f"{key}: {floor.metric} is the goal's metric: its limit is goal.threshold")
