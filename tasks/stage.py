"""The decorator that makes a plain function a stage: a Prefect task that is cached by content and says why it ran.

    @stage("prepare", settings=["split", "features"])
    def prepare(workload: Workload, validated: Validated, home: Home) -> Prepared: ...

Without a Prefect run around it, ``prepare.fn(...)`` is the function itself.
"""

import functools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import msgspec
from prefect import Task, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from pydantic import BaseModel

from components import progress
from components.artefacts.build import Build
from components.artefacts.storage import digest_json
from components.catalog import kind_module
from components.declaration.loading import contract_of
from components.declaration.workload import Workload
from components.run_ledger import current_ledger
from components.settings import Settings
from components.stage_keys import StageKey, stage_key
from data_contracts.description.spec import ContractSpec
from tasks.kept_results import whole_result

P = ParamSpec("P")
R = TypeVar("R")


def stage(
    name: str,
    *,
    settings: Sequence[str] = (),
    fingerprint: Callable[[Workload], str | dict[str, str] | None] | None = None,
    programs: Sequence[str] = (),
    cached: bool = True,
    artifact: Callable[[Any], str] | None = None,
    note: Callable[[Any], str] | None = None,
    lines: Callable[[Any], Sequence[str]] | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a stage.

    Its code starts in ``tasks/<name>.py``, the contract and, with the setting "kind", the kind's folder. ``settings``
    are the (dotted) places of the workload file it reads, ``fingerprint`` a digest of outside data, or several by what
    they are of (None: unknown, so the stage always runs), ``programs`` modules that it runs as processes, ``artifact``
    turns the result into Markdown for the Prefect UI, ``note`` into a line for ``slipway status``, ``lines`` into
    further ones for the log of the run.
    """

    def told(result: Any) -> None:
        for line in [*([note(result)] if note else []), *(lines(result) if lines else [])]:
            _log(f"{name}: {line}")
        if artifact:
            show(name, artifact(result))

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        policy = StageCache(
            name=name, settings=tuple(settings), fingerprint=fingerprint, programs=tuple(programs), told=told
        )
        recorded = _recorded(function, name, told, note)
        return task(
            name=name,
            task_run_name=functools.partial(_run_name, name),
            cache_policy=policy if cached else NO_CACHE,
            persist_result=cached,
            result_serializer="json",
        )(recorded)

    return decorate


def _recorded(
    function: Callable[P, R],
    name: str,
    told: Callable[[R], None],
    note: Callable[[R], str] | None,
) -> Callable[P, R]:
    """Return the function, telling the run's ledger how it goes and the Prefect UI what came out."""

    @functools.wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> R:
        ledger = current_ledger()
        started = time.perf_counter()
        progress.report(name, 0, 0)
        record = ledger.stage(name) if ledger else None
        if ledger and record:
            record.state = "running"
            ledger.save()
        try:
            result = function(*arguments, **named)
        except BaseException as error:
            if ledger and record:
                record.state, record.detail = "failed", str(error) or type(error).__name__
            raise
        else:
            if record:
                record.state, record.note = "ran", note(result) if note else ""
        finally:
            if ledger and record:
                record.seconds = time.perf_counter() - started
                ledger.save()
        _log(f"{name}: ran, {time.perf_counter() - started:.1f} s")
        told(result)
        return result

    return run


def _run_name(name: str, parameters: dict[str, Any]) -> str:
    workload = _workload_of(parameters)
    return f"{workload} {name}" if workload else name


def _workload_of(parameters: dict[str, Any]) -> str:
    """Return the name of the workload that a stage with these arguments works for; empty if they do not say."""
    if isinstance(workload := parameters.get("workload"), Workload):
        return workload.name
    return next((value.manifest.workload for value in parameters.values() if isinstance(value, Build)), "")


def _log(line: str) -> None:
    """Write a line to the log of the run in the Prefect UI; without a Prefect run around it there is none."""
    if TaskRunContext.get():
        get_run_logger().info(line)


def show(name: str, markdown: str) -> None:
    """Show in the Prefect UI what a stage of a workload did; without a Prefect run around it there is nowhere to."""
    if context := TaskRunContext.get():
        run = _run_name(name, context.parameters)
        # A key holds small letters, digits and dashes. It is the workload's own: its pages lie under it, run by run.
        create_markdown_artifact(markdown, key=re.sub("[^a-z0-9]", "-", run), description=f"What {name} did")


@dataclass
class StageCache(CachePolicy):
    """Cache by the stage's key; note the key in the ledger; forget a result whose files are gone."""

    name: str = ""
    settings: tuple[str, ...] = ()
    fingerprint: Callable[[Workload], str | dict[str, str] | None] | None = None
    programs: tuple[str, ...] = ()
    told: Callable[[Any], None] = lambda result: None

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        key = self.key_of(inputs)
        ledger = current_ledger()
        if ledger:
            record = ledger.stage(self.name)
            # If the function does not run after this, the result came from the cache. A flow inside of a flow asks
            # again for what the run has just made: that the run made it is what stays on record.
            if record.state != "ran":
                record.key, record.state = key, "cached"
            ledger.save()
        if key is None:
            return None
        kept = whole_result(task_ctx.result_store, key.digest)
        if kept is not None:
            # The function does not run: what it said and showed when it did is said of this run, too.
            _log(f"{self.name}: from the cache, nothing that it depends on has changed")
            self.told(kept)
        return key.digest

    def key_of(self, inputs: dict[str, Any]) -> StageKey | None:
        """Return the stage's key for these arguments, None if it must not be cached."""
        workload: Workload = inputs["workload"]
        data = {name: _digest(value) for name, value in inputs.items() if _is_result(value)}
        if self.fingerprint:
            known = self.fingerprint(workload)
            if known is None:
                return None
            data |= known if isinstance(known, dict) else {"source": known}
        document = workload.model_dump(mode="json")
        # As it was compiled, whatever it is made of: modules, files that they read, what they compute.
        document["contract"] = contract_facts(contract_of(workload))
        modules = {f"tasks.{self.name}", workload.contract.partition(":")[0], *self.programs}
        if "kind" in self.settings:
            # The kind is found by name, which no reader of import statements can see.
            modules.add(kind_module(workload.kind))
        return stage_key(
            self.name,
            modules=modules,
            data=data,
            settings={place: _at(document, place) for place in self.settings},
        )


def contract_facts(contract: ContractSpec) -> dict[str, Any]:
    """Return a contract as plain values, its fields by name, so that a difference says which field it is in."""
    facts: dict[str, Any] = msgspec.to_builtins(contract)
    return facts | {
        "fields": {field.pop("name"): field for field in facts["fields"]},
        "order": [field.name for field in contract.fields],
    }


def _at(document: dict[str, Any], place: str) -> Any:
    """Return what a workload file holds at a dotted place."""
    return functools.reduce(lambda inner, key: inner[key], place.split("."), document)


def _is_result(value: Any) -> bool:
    return isinstance(value, BaseModel) and not isinstance(value, (Workload, Settings))


def _digest(result: BaseModel) -> str:
    """Return the digest a result carries; small results without one are digested whole."""
    return getattr(result, "digest", None) or digest_json(result.model_dump(mode="json"))
