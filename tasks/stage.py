"""The decorator that makes a plain function a stage: a Prefect task that is cached by content and says why it ran.

    @stage("prepare")
    def prepare(validated: Validated, split: SplitRule, features: tuple[FeatureStep, ...], contract: ContractSpec,
                home: Home) -> Prepared: ...

What a stage is given is its key: results count as data, sections of the workload file, the compiled contract and the
kind as settings. Where it runs and what that costs (``Home``, ``Settings``) is no part of what comes out.
Without a Prefect run around it, ``prepare.fn(...)`` is the function itself.
"""

import functools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from components import progress
from components.artefacts.build import Build
from components.run_ledger import current_ledger
from components.stage_keys import StageKey, stage_key
from tasks.given import given
from tasks.kept_results import whole_result

P = ParamSpec("P")
R = TypeVar("R")


# What a stage depends on that is not given to it, from its arguments by name: a digest, several by what they are of, or
# None if it cannot be known, so that the stage always runs.
Outside = Callable[[Mapping[str, Any]], str | dict[str, str] | None]


def stage(
    name: str,
    *,
    outside: Outside | None = None,
    programs: Sequence[str] = (),
    cached: bool = True,
    artifact: Callable[[Any], str] | None = None,
    note: Callable[[Any], str] | None = None,
    lines: Callable[[Any], Sequence[str]] | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a stage.

    Its code starts in ``tasks/<name>.py`` and, if it is given a kind, in the kind's folder. ``programs`` are modules
    that it runs as processes, ``artifact`` turns the result into Markdown for the Prefect UI, ``note`` into a line for
    ``slipway status``, ``lines`` into further ones for the log of the run.
    """

    def told(result: Any) -> None:
        for line in [*([note(result)] if note else []), *(lines(result) if lines else [])]:
            _log(f"{name}: {line}")
        if artifact:
            show(name, artifact(result))

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        policy = StageCache(name=name, outside=outside, programs=tuple(programs), told=told)
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


def _run_name(name: str, parameters: Mapping[str, Any]) -> str:
    """Return what a run of a stage is called: after the workload that the run of the flow is of."""
    ledger = current_ledger()
    if ledger:
        return f"{ledger.record.workload} {name}"
    workload = next((value.manifest.workload for value in parameters.values() if isinstance(value, Build)), "")
    return f"{workload} {name}".strip()


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
    outside: Outside | None = None
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
        found = given(inputs)
        data = dict(found.data)
        if self.outside:
            known = self.outside(inputs)
            if known is None:
                return None
            data |= known if isinstance(known, dict) else {"source": known}
        modules = {f"tasks.{self.name}", *self.programs, *found.modules}
        return stage_key(self.name, modules=modules, data=data, settings=found.settings)
