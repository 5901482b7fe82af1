"""What a person sees at the end of a run: the verdict, the model, the gates that matter, the links; at most 40 lines.

``--verbose`` prints everything instead (run_tables.py).
"""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from flows.drawing import COLOURS, open_console

if TYPE_CHECKING:
    from components.evaluation.evidence import Evidence
    from components.gates.judge import Verdict
    from components.monitoring.monitor import Monitored
    from components.promotion.promote import Promotion
    from components.promotion.record import PromotionRecord
    from components.settings import Home
    from flows.build_model import BuildOutcome

MOST_LINES = 40
NAME = 11


def print_run(
    home: "Home",
    built: "BuildOutcome",
    promoted: "Promotion | None" = None,
    monitored: "Monitored | None" = None,
    *,
    given: str = "",
    refused: "PromotionRecord | None" = None,
) -> None:
    """Print what came of a run in at most 40 lines; names and values of the user are text, never markup.

    ``given`` is how the workload was named, for the commands that are suggested; ``refused`` is what the build was
    judged by that was not promoted.
    """
    given = shlex.quote(given or built.registered.workload)
    console = open_console()
    told = entries(built, promoted, monitored, refused, given)
    above = [line for name, text, style in told for line in _entry(console, name, text, style)]
    below = ["", *links(home, built, promoted, monitored, refused, given)]
    room = MOST_LINES - len(below) - 1
    if len(above) > room:
        above = [*above[: room - 1], Text(f"{'':{NAME}}and more: --verbose prints everything", style="dim")]
    for line in above:
        console.print(line, soft_wrap=True)
    for below_line in below:
        console.print(Text(below_line), soft_wrap=True)


def entries(
    built: "BuildOutcome",
    promoted: "Promotion | None",
    monitored: "Monitored | None",
    refused: "PromotionRecord | None",
    given: str,
) -> Iterator[tuple[str, str, str]]:
    """Yield name, text and style of each entry, what matters most first."""
    from components.artefacts.build import open_build
    from components.builds.signing import public_key_path
    from components.evaluation.evidence import read_evidence
    from components.settings import Settings

    build, report = open_build(built.registered.build, public_key_path(Settings().key())), built.gates
    judged = promoted or refused
    good = report.passed and not refused
    yield "", _verdict(built, promoted, refused, given), "bold green" if good else "bold red"
    yield "model", _model(built, read_evidence(built.evaluated.evidence)), ""
    for place, said in enumerate(report.good_for):
        yield "" if place else "good for", said, ""
    for place, warning in enumerate((*report.warnings, *(judged.gates.warnings if judged else ()))):
        yield "" if place else "but", f"{warning[:1].upper()}{warning[1:]}.", "yellow"
    verdicts = [*report.verdicts, *(judged.gates.verdicts if judged else ())]
    matter = [v for v in verdicts if v.state != "passed"] + [v for v in verdicts if v.state == "passed" and v.headline]
    passed = sum(verdict.state == "passed" for verdict in verdicts)
    yield "gates", f"{passed} of {len(verdicts)} passed", ""
    for verdict in matter:
        yield "", _gate(verdict), COLOURS[verdict.state] if verdict.state != "passed" else ""
    for difference in build.environment_differences():
        yield "packages", f"{difference}; such a build is not promoted without --accept environment", "yellow"
    if built.validated.quarantined:
        rows = f"{built.validated.quarantined:,} of {built.validated.quarantined + built.validated.rows:,} rows"
        yield "data", f"{rows} were set aside: they break the contract", ""
    yield "training", built.spent.text, ""
    if monitored:
        yield "since then", monitored.drift.verdict, "yellow" if monitored.drift.drifted else ""


def _verdict(built: "BuildOutcome", promoted: "Promotion | None", refused: "PromotionRecord | None", given: str) -> str:
    build, workload = built.registered.build_id, built.registered.workload
    if promoted:
        instead = f", instead of {promoted.replaced}" if promoted.replaced else ""
        return f"{workload}: promoted. {build} serves{instead}"
    if refused:
        serves = f"{refused.champion} serves on" if refused.champion else "nothing serves"
        return f"{workload}: built, not promoted. {build} did not pass the gates of a promotion; {serves}"
    if built.gates.passed:
        return f"{workload}: passed. {build} is the challenger; 'slipway promote {given}' makes it serve"
    return f"{workload}: refused. {build} did not pass its gates and is kept to be looked at"


def _model(built: "BuildOutcome", evidence: "Evidence") -> str:
    from components.declaration.metrics import title_of
    from components.gates.texts import number, rests_on

    metric = built.evaluated.metric
    own, other = evidence.find(metric), evidence.find(f"baseline_{metric}")
    said = built.trained.chosen
    if own is not None and own.low is not None and own.high is not None:
        said += (
            f", {title_of(metric)} {number(own.value)} ({number(own.low)} to {number(own.high)}, from {rests_on(own)})"
        )
    against = evidence.find("gain_over_baseline")
    if other is not None and against is not None and against.detail:
        said += f"; the baseline {against.detail} has {number(other.value)}"
    return said


def _gate(verdict: "Verdict") -> str:
    would = f" {verdict.would_pass[:1].upper()}{verdict.would_pass[1:]}." if verdict.would_pass else ""
    return f"{verdict.state} {verdict.gate}: {verdict.reason}{would}"


def _entry(console: Console, name: str, text: str, style: str) -> list[Text]:
    """Return the lines of an entry: its name, and its text beside it, wrapped to the console."""
    indent = NAME if name or not style.startswith("bold") else 0
    wrapped = Text(text).wrap(console, max(console.width - indent, 20))
    lines = []
    for place, part in enumerate(wrapped):
        line = Text(f"{name if not place else '':{indent}}" if indent else "", style="dim")
        line.append(part.plain.rstrip(), style=style or "default")
        lines.append(line)
    return lines


def link(name: str, place: str) -> str:
    """Return a line that says where something is."""
    return f"{name:{NAME}}{place}"


def accepting(record: "PromotionRecord", given: str) -> str:
    """Return the command by which a person accepts all that refused a promotion."""
    gates = dict.fromkeys([*record.accepted, *(verdict.gate for verdict in record.gates.refused)])
    return f"slipway promote {given} --build {record.build_id} " + " ".join(f"--accept {gate}" for gate in gates)


def links_of(home: "Home", built: "BuildOutcome") -> list[str]:
    """Return the lines that say where all that a build left can be looked at; commands can be pasted as they are."""
    bento = f"BENTOML_HOME={shlex.quote(str(home.room('bentoml')))} bentoml serve {built.packaged.bento}"
    lines = [
        link("dossier", str(built.registered.build / "dossier.html")),
        link("MLflow", f"mlflow ui --backend-store-uri {shlex.quote(built.registered.tracking_uri)}"),
        link("Bento", bento),
    ]
    if built.expected.docs:
        lines.append(link("data docs", str(built.expected.docs / "index.html")))
    if built.validated.stored_quarantine:
        lines.append(link("quarantine", str(built.validated.stored_quarantine)))
    return lines


def links(
    home: "Home",
    built: "BuildOutcome",
    promoted: "Promotion | None",
    monitored: "Monitored | None",
    refused: "PromotionRecord | None",
    given: str,
) -> list[str]:
    """Return the lines that say where to look next, and by which commands."""
    windows = monitored.drift.windows if monitored else ()
    return [
        *links_of(home, built),
        *(link("drift", str(window.stored_report)) for window in windows[-1:]),
        # What serves is the champion, and this build is none before it was promoted.
        *([link("serve", f"slipway serve {given}")] if promoted else []),
        *([link("accept", accepting(refused, given))] if refused else []),
        link("why", f"slipway status {given}; all of it: --verbose"),
    ]
