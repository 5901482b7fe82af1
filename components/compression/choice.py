"""Make smaller graphs of the chosen model, measure them on the validation split, and say which one ships.

The test split chooses nothing: it judges what was chosen, through the bytes that ship.
"""

import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from components.artefacts.inference import Parts
from components.artefacts.parts_of_rows import in_parts
from components.artefacts.storage import digest_file, digest_json
from components.catalog import Kind, Progress
from components.compression.measurement import (
    BATCH_ROWS,
    class_losses,
    columns_of,
    company_change,
    largest_change,
    metric_losses,
    time_graphs,
)
from components.compression.part import CompressionPart
from components.compression.quantisation import NotPossibleError, half, int8_dynamic, int8_static
from components.compression.results import AS_TRAINED, Compressed, Compression, Smaller, Variant
from components.data.parquet import rows_at_once
from components.data.results import Prepared
from components.declaration.metrics import metrics_for
from components.declaration.serving import Family, Variants
from components.declaration.targets import shape_of, target_of
from components.evaluation.decisions import decision_threshold
from components.evaluation.hold_out import label_scale, labels_of
from components.settings import Settings
from components.training.costs.energy import EnergyMeter, cpu_seconds
from components.training.results import Shipped, Trained
from data_contracts.description.spec import ContractSpec

SPLIT = "validation"
# Rows on which static quantisation finds the range of activations.
CALIBRATION_ROWS = 4_096
# A saving that is not seen in nearly every round is noise.
CLEAR = 0.9
# What float32 differs by between one row and many; more, and a row has no answer of its own.
ALONE = 1e-5
# Savings this near are alike: then the smaller loss decides.
ALIKE = 0.05


def compress(
    trained: Trained,
    prepared: Prepared,
    workload: CompressionPart,
    contract: ContractSpec,
    kind: Kind,
    folder: Path,
    settings: Settings,
    progress: Progress,
) -> Compressed:
    """Make and measure the variants; ``shipped`` is the graph that everything from here on judges."""
    began, worked = time.monotonic(), cpu_seconds()
    folder.mkdir(parents=True, exist_ok=True)
    with EnergyMeter() as meter:
        made = [
            *_narrower(trained.best.parts, workload.serving.variants, prepared, contract, kind, folder),
            *_smaller(trained, prepared, workload, contract, kind, folder, settings),
        ]
        variants = _measured(trained, made, prepared, workload, contract, kind, progress)
    chosen, reason = choose(variants, workload.serving.variants, workload.goal.metric)
    variants = tuple(_judged(one, chosen, workload.serving.variants, workload.goal.metric) for one in variants)
    compression = Compression(
        chosen=chosen,
        reason=reason,
        metric=workload.goal.metric,
        split=SPLIT,
        rows=prepared.splits[SPLIT].rows,
        batch_rows=BATCH_ROWS,
        variants=variants,
    )
    shipped, seconds = _shipped(compression, trained), time.monotonic() - began
    return Compressed(
        # Not of the figures: measured again, they differ, and what ships need not.
        digest=digest_json([trained.digest, shipped.digest]),
        shipped=shipped,
        compression=compression,
        seconds=round(seconds, 3),
        cpu_seconds=round(cpu_seconds() - worked, 2),
        energy=meter.energy(seconds=seconds, watts=settings.watts, card=False),
    )


def _shipped(compression: Compression, trained: Trained) -> Shipped:
    chosen = compression.shipped
    if chosen.family is None or chosen.stored_model is None or chosen.digest is None:
        return trained.as_trained
    changed = {"stored_model": chosen.stored_model, "digest": chosen.digest, "changed": True}
    return trained.as_trained.model_copy(update=changed)


def choose(variants: tuple[Variant, ...], limits: Variants, metric: str) -> tuple[str, str]:
    """Return the variant that ships, and why: the fastest within the limits, the model as trained if there is none."""
    fit = [one for one in variants if one.family and not shortcoming(one, limits, metric)]
    if not fit:
        return AS_TRAINED, "no variant is clearly faster and within the declared loss"
    most = max(one.speed.saving for one in fit if one.speed)
    alike = [one for one in fit if one.speed and one.speed.saving >= most - ALIKE]
    best = min(alike, key=lambda one: _loss(one, metric))
    assert best.speed is not None
    return best.name, (
        f"saves {best.speed.saving:.0%} of the processor time and loses at most {_loss(best, metric):.2g} of {metric} "
        f"({limits.quality_loss:g} is allowed)"
    )


def shortcoming(variant: Variant, limits: Variants, metric: str) -> str:
    """Return why a variant may not ship; empty if it may."""
    if variant.speed is None or variant.largest_change is None:
        return "not made"
    if (loss := _loss(variant, metric)) > limits.quality_loss:
        return f"may lose {loss:.2g} of {metric}; {limits.quality_loss:g} is allowed"
    if variant.largest_change > limits.answer_change:
        return f"an answer moves by {variant.largest_change:.2g}; {limits.answer_change:g} is allowed"
    if variant.company_change > ALONE:
        return f"an answer moves by {variant.company_change:.2g} with the rows that are asked beside it"
    if variant.speed.saving < limits.gain:
        verb = (
            f"saves {variant.speed.saving:.0%}"
            if variant.speed.saving > 0
            else f"costs {-variant.speed.saving:.0%} more"
        )
        return f"{verb} of the processor time; {limits.gain:.0%} is worth a change"
    if variant.speed.faster_rounds < CLEAR:
        return f"faster in {variant.speed.faster_rounds:.0%} of the rounds only: within the noise"
    return ""


def _loss(variant: Variant, metric: str) -> float:
    """Return the upper end of what is lost of the goal's metric."""
    return next(loss.high for loss in variant.losses if loss.metric == metric)


def _judged(variant: Variant, chosen: str, limits: Variants, metric: str) -> Variant:
    if variant.name == chosen:
        verdict = "ships"
    elif variant.stored_model is None:
        verdict = "not made"
    elif variant.family is None:
        verdict = "a faster one is good enough"
    else:
        verdict = shortcoming(variant, limits, metric) or "good enough, but not the best"
    return variant.model_copy(update={"verdict": verdict})


def _narrower(
    parts: Parts, limits: Variants, prepared: Prepared, contract: ContractSpec, kind: Kind, folder: Path
) -> list[Smaller]:
    """Make the variants that any graph may have, of the model's."""
    model = parts.model
    assert isinstance(model, Path), "what was trained lies in files"
    scaled_on = min(CALIBRATION_ROWS, rows_at_once(contract))

    def static(source: Path, target: Path) -> Path:
        frame = pl.read_parquet(prepared.splits[SPLIT].path, glob=False)
        # Spread over the whole split: it may be in the order of time.
        rows = frame.gather_every(max(1, len(frame) // scaled_on)).head(scaled_on)
        predictor = kind.inference.open(parts.with_model(source), contract)
        batches = in_parts(
            lambda start, end: columns_of(predictor, rows[start:end], contract), len(rows), CALIBRATION_ROWS
        )
        feeds = ({name: batch[name] for name in predictor.inputs} for batch in batches)
        return int8_static(source, target, feeds)

    ways: dict[Family, tuple[str, Callable[[Path, Path], Path]]] = {
        "int8-dynamic": ("int8 weights, activations scaled call by call", int8_dynamic),
        "int8-static": (f"int8 weights and activations, scaled on {scaled_on:,} {SPLIT} rows", static),
        "fp16": ("products in fp16, features and calibration as they are", half),
    }
    made = []
    for family, (note, make) in ways.items():
        if limits.allow is not None and family not in limits.allow:
            continue
        try:
            graph = make(model, folder / f"{family}.onnx")
        except NotPossibleError as error:
            made.append(Smaller(name=family, family=family, note=str(error), model=None))
        else:
            made.append(Smaller(name=family, family=family, note=note, model=graph))
    return made


def _smaller(
    trained: Trained,
    prepared: Prepared,
    workload: CompressionPart,
    contract: ContractSpec,
    kind: Kind,
    folder: Path,
    settings: Settings,
) -> list[Smaller]:
    """Let the kind make its own smaller models, of the families that are allowed."""
    allow = workload.serving.variants.allow
    allowed = tuple(one for one in kind.families if allow is None or one in allow)
    if not allowed or kind.smaller is None:
        return []
    return list(kind.smaller(trained, prepared, workload, contract, folder, settings, allowed))


def _measured(
    trained: Trained,
    made: list[Smaller],
    prepared: Prepared,
    workload: CompressionPart,
    contract: ContractSpec,
    kind: Kind,
    progress: Progress,
) -> tuple[Variant, ...]:
    path = prepared.splits[SPLIT].path
    frame = pl.read_parquet(path, glob=False)
    labels, target = labels_of(frame, contract), target_of(contract)
    shape = shape_of(
        contract,
        threshold=decision_threshold(workload),
        quantiles=trained.quantiles,
        scale=label_scale(prepared, contract),
    )
    parts = trained.best.parts
    trained_as = Smaller(name=AS_TRAINED, family=None, note=f"{trained.chosen}, as exported", model=trained.best.model)
    graphs = {one.name: parts.with_model(one.model) for one in (trained_as, *made) if one.model is not None}
    whole, answers = {}, {}
    for number, (name, graph) in enumerate(graphs.items(), start=1):
        whole[name] = kind.predict_file(graph, contract, path)
        answers[name] = shape.point(whole[name])
        progress("variants", number, len(graphs) + 1)
    predictors = {name: kind.inference.open(graph, contract) for name, graph in graphs.items()}
    speeds = time_graphs(predictors, frame, contract)
    losses = metric_losses(metrics_for(target, workload.kind), labels, answers, workload.seed)
    named = [str(value) for value in contract.label.allowed] or ["no", "yes"]
    truth = [] if target == "regression" else [named[int(label)] for label in labels]
    progress("variants", len(graphs) + 1, len(graphs) + 1)
    variants = []
    for one in (trained_as, *made):
        if one.model is None:
            variants.append(Variant(name=one.name, family=one.family, note=one.note, verdict=""))
            continue
        variants.append(
            Variant(
                name=one.name,
                family=one.family,
                note=one.note,
                verdict="",
                # As trained, it is where training put it.
                stored_model=trained.best.stored_model if one.family is None else one.model,
                digest=digest_file(one.model),
                size_mb=round(one.model.stat().st_size / 1e6, 4),
                speed=speeds[one.name],
                losses=losses[one.name],
                classes=class_losses(shape, truth, answers[AS_TRAINED], answers[one.name]),
                # Of all numbers, also those that only say how sure the answer is.
                largest_change=largest_change(shape, whole[AS_TRAINED], whole[one.name]),
                company_change=company_change(shape, predictors[one.name], frame, contract),
            )
        )
    return tuple(variants)
