"""What is added to a counter comes out at every reader, in the way that it wants it."""

from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, NumberDataPoint

from sidecar.telemetry.counter import Counter


def read(reader: InMemoryMetricReader) -> dict[tuple[str, ...], float]:
    """The values now, by those of the labels."""
    data = reader.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    ((metric,),) = [scope.metrics for scope in resource.scope_metrics]
    points = [point for point in metric.data.data_points if isinstance(point, NumberDataPoint)]
    return {tuple(map(str, (point.attributes or {}).values())): point.value for point in points}


def test_a_reader_of_sums_gets_sums_and_a_reader_of_differences_gets_differences() -> None:
    sums = InMemoryMetricReader()
    differences = InMemoryMetricReader(preferred_temporality={ObservableCounter: AggregationTemporality.DELTA})
    counter = Counter(MeterProvider([sums, differences]).get_meter("test"), "requests", description="Requests.")

    counter.add(2, {"model": "gpt-5", "result": "success"})
    counter.add(0.5, {"model": "gpt-5", "result": "failed"})
    first = {("gpt-5", "success"): 2, ("gpt-5", "failed"): 0.5}
    assert read(sums) == read(differences) == first

    counter.add(1, {"model": "gpt-5", "result": "success"})
    assert read(sums) == first | {("gpt-5", "success"): 3}
    assert read(differences) == {("gpt-5", "success"): 1, ("gpt-5", "failed"): 0}


def test_nothing_added_is_a_series_and_nothing_said_is_none() -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    Counter(meter, "never", description="Never.")
    assert reader.get_metrics_data() is None

    Counter(meter, "bypasses", description="Bypasses.").add(0)
    assert read(reader) == {(): 0}
