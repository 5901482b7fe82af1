"""The counts as Prometheus reads them."""

import os
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from deployments.data_plane.telemetry.metrics import Histogram, Metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Collected(Collector):
    def __init__(
        self, metrics: Metrics, labels: Mapping[str, str], price_per_hour: float, watched: tuple[str, str]
    ) -> None:
        self._metrics = metrics
        self._watched = watched
        self._labels = dict(labels)
        self._price_per_hour = price_per_hour

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._gauges()
        metrics = self._metrics
        yield _histogram("slipway_request_seconds", "From reading a request to its answer.", metrics.latency)
        yield _histogram(
            "slipway_queue_seconds",
            "What a request waited in the queue, from when its rows were checked.",
            metrics.queue,
        )
        yield _histogram("slipway_model_seconds", "One call of the model.", metrics.model)
        yield _histogram("slipway_batch_rows", "Rows in one call of the model.", metrics.batch)
        name, text = self._watched
        yield _histogram(f"slipway_{name}", text, metrics.answer)

    def _counters(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("slipway_requests", "Answers by path and status.", labels=["path", "status"])
        for key, count in sorted(self._metrics.requests.items()):
            requests.add_metric([key[0], str(key[1])], count)
        yield requests
        for name, text, counts in (
            ("slipway_errors", "Requests that were refused or failed, by kind.", self._metrics.errors),
            (
                "slipway_build_changes",
                "Changes of the build, by what became of them; each worker counts its own.",
                self._metrics.changes,
            ),
            ("slipway_decisions", "Rows by the class that was answered.", self._metrics.decisions),
        ):
            family = CounterMetricFamily(name, text, labels=["kind"])
            for kind, count in sorted(counts.items()):
                family.add_metric([kind], count)
            yield family
        for name, text, value in (
            ("slipway_rows", "Rows answered.", self._metrics.rows),
            ("slipway_explained_rows", "Rows explained.", self._metrics.explained_rows),
            ("slipway_logged_predictions", "Predictions written to the log.", self._metrics.logged_predictions),
            ("slipway_lost_predictions", "Predictions that could not be logged.", self._metrics.lost_predictions),
            ("slipway_sent_traces", "Traced requests that a collector took.", self._metrics.sent_traces),
            ("slipway_lost_traces", "Traced requests that could not be sent.", self._metrics.lost_traces),
        ):
            yield CounterMetricFamily(name, text, value=value)

    def _gauges(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("slipway_build_info", "The build that answers.", labels=list(self._labels))
        build.add_metric(list(self._labels.values()), 1)
        yield build
        yield GaugeMetricFamily("slipway_waiting_rows", "Rows in the queue.", value=self._metrics.waiting_rows)
        yield GaugeMetricFamily("slipway_in_flight", "Requests being answered.", value=self._metrics.in_flight)
        model = self._metrics.model.total + self._metrics.prepare_seconds
        whole = self._metrics.processor_seconds / (os.cpu_count() or 1)
        for name, text, seconds in (
            (
                "slipway_model_usd_per_1000",
                "What the model's time cost per 1,000 rows, with the machine to itself.",
                model,
            ),
            (
                "slipway_usd_per_1000",
                "What 1,000 rows cost: the service's share of the machine's processor time.",
                whole,
            ),
        ):
            rows = self._metrics.rows
            cost = seconds / 3_600 * self._price_per_hour / rows * 1_000 if rows else 0.0
            yield GaugeMetricFamily(name, text, value=cost)


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    buckets: list[tuple[str, float]] = []
    seen = 0
    for bound, count in zip([*histogram.bounds, float("inf")], histogram.counts, strict=True):
        seen += count
        buckets.append(("+Inf" if bound == float("inf") else repr(bound), seen))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.total)


def render(metrics: Metrics, labels: Mapping[str, str], price_per_hour: float, watched: tuple[str, str]) -> bytes:
    """Return the text that Prometheus scrapes; ``watched`` names and explains the distribution of the answers."""
    registry = CollectorRegistry()
    registry.register(_Collected(metrics, labels, price_per_hour, watched))
    return generate_latest(registry)
