"""A run as a trace: its spans, and that they leave for where the environment says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from importer import pipeline
from importer.settings import DestinationSettings
from importer.watching import traces
from importer.watching.ending import Ending
from importer.watching.traces import Tracing
from tests.program import Platform, created, here, parcels, refusal, settle_in
from tests.receivers import Receiver, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan

    Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    parcels(tmp_path / "m.csv", 2)


def traced(url: str, **more: Any) -> list[ReadableSpan]:  # noqa: ANN401 - as DestinationSettings has them
    """The spans of a run that posts there, in the order of their ends."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)
    target = DestinationSettings("adm", "adm", url, sandbox=True, concurrency=1, **more)
    job = pipeline.Job("post", ("m.csv",), target, Path("ledger.db"), report=Path("R"), give_up=0.5)
    summary = pipeline.run(job, pipeline.World(tracing=tracing))
    ending = Ending("post", "adm", summary.started_at, summary.finished_at, summary.exit_status, summary)
    tracing.end(ending)
    return list(exporter.get_finished_spans())


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_run_has_a_span_and_each_request_one_in_it() -> None:
    answers = [refusal(500)]
    with Platform(lambda seen: answers.pop() if answers else created(seen)) as platform:
        spans = traced(platform.url)

    *requests, run = spans
    assert [span.name for span in spans] == ["POST", "POST", "POST", "run"]
    assert [span.parent and span.parent.span_id for span in requests] == [run.context.span_id] * 3
    common = {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": int(platform.url.rpartition(":")[2]),
        "url.path": "/fulfillments/create",
    }
    assert [attributes(span) for span in requests] == [
        {**common, "importer.fulfillment": name, "http.response.status_code": status}
        for name, status in (("1001/TRACK00000", 500), ("1001/TRACK00000", 200), ("1002/TRACK00001", 200))
    ]
    assert [span.status.is_ok for span in spans] == [False, True, True, True]
    assert {name: attributes(run)[name] for name in ("importer.command", "importer.rows")} == {
        "importer.command": "post",
        "importer.rows": 2,
    }


def test_a_request_that_nobody_answers_says_why() -> None:
    port = free_port()

    first, *_, run = traced(f"http://127.0.0.1:{port}", max_attempts=1)

    assert first.status.description == f"can't connect to 127.0.0.1:{port}: connection refused"
    assert run.status.is_ok is False


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_environment_says_whether_there_are_traces(
    environment: Mapping[str, str],
    *,
    wanted: bool,
) -> None:
    assert traces.is_wanted(environment) is wanted


def test_the_spans_leave_before_the_program_does(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        ended = here(capsys, "post", "m.csv", "--sandbox")

    assert (ended.status, ended.err) == (0, "")
    assert set(collector.paths) == {"/v1/traces"}
    assert "1001/TRACK00000" in "".join(heard.body for heard in collector.heard)


def test_a_collector_that_refuses_is_no_trouble_of_the_run(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver([400] * 10) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        ended = here(capsys, "post", "m.csv", "--sandbox")

    assert (ended.status, ended.err) == (0, "")


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("OTEL_BSP_SCHEDULE_DELAY", "0", "schedule_delay_millis must be positive"),
        (
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "99999",
            "max_export_batch_size must be less than or equal to max_queue_size",
        ),
        (
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            "-1",
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer but got -1",
        ),
    ],
)
def test_what_the_tracing_library_does_not_take_is_a_warning(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, why: str
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with Receiver() as watchdog:
        ended = here(capsys, "post", "m.csv", "--sandbox", "--ping", watchdog.url)

    assert (ended.status, watchdog.paths) == (0, ["/start", "/0"])
    assert ended.err == f"importer: warning: no traces: {why}; see the variables OTEL_…\n"
