"""A run as a trace of OpenTelemetry: a span for the run, and one in it for each request.

Where they go, and whether at all, is said by the variables that all programs go by:
https://opentelemetry.io/docs/specs/otel/protocol/exporter/. The names of attributes follow
https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

from __future__ import annotations

import importlib.util
import logging
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from importer.model import FINE, Answer, NoAnswer, fulfillment_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from importer.model import Fulfillment, Happening, Intent, Outcome, Request
    from importer.posts import Told
    from importer.watching.ending import Ending

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_FAILURES: Final = 400  # and above
_ABOUT: ContextVar[str] = ContextVar("about", default="")
"""The fulfillment that the worker is about; each worker is a task, with its own."""
_SPAN: ContextVar[Span | None] = ContextVar("span", default=None)
"""That of the worker's request that is in flight."""


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for traces, and the extra for them is installed."""
    wanted = any(environment.get(name) for name in _ENDPOINTS)
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = environment.get("OTEL_TRACES_EXPORTER", "") == "none"
    return wanted and not disabled and not none and _is_installed()


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # not even its parent is there
        return False


@contextmanager
def exported(environment: Mapping[str, str]) -> Iterator[Tracing]:
    """Send the spans to where the environment says; the last of them when this is left.

    Raises:
        ValueError: the environment says what can't be.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)  # a lost trace is no news
    name = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": "importer"}
    provider = TracerProvider(resource=Resource.create(name))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield Tracing(provider)
    finally:
        with suppress(Exception):  # as above; and what is told of the run must not end it
            provider.shutdown()


class Tracing:
    """Makes spans of what posting tells; the one of the run lasts from here to ``end``."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        self._trace = trace
        self._tracer = provider.get_tracer("importer")
        self._run = self._tracer.start_span("run")
        self._within = trace.set_span_in_context(self._run)

    def end(self, ending: Ending) -> None:
        """End the span of the run."""
        about: dict[str, Any] = {
            "importer.command": ending.command,
            "importer.destination": ending.destination,
            "importer.exit_status": ending.exit_status,
        }
        if ending.summary is not None:
            about["importer.run_id"] = ending.summary.run_id
            about["importer.rows"] = ending.summary.rows["total"]
        self._run.set_attributes(about)
        if ending.exit_status:
            self._fail(self._run, ending.sentence)
        self._run.end()

    def asked(self, request: Request) -> None:
        """Begin the span of a request."""
        address = urlsplit(request.url)
        about: dict[str, Any] = {
            "http.request.method": request.method,
            "server.address": address.hostname or "",
            "url.path": address.path,
        }
        if address.port is not None:
            about["server.port"] = address.port
        if fulfillment := _ABOUT.get():
            about["importer.fulfillment"] = fulfillment
        kind = self._trace.SpanKind.CLIENT
        _SPAN.set(self._tracer.start_span(request.method, self._within, kind, about))

    def answered(self, request: Request, reply: Answer | NoAnswer | None) -> None:  # noqa: ARG002 - the one that was asked last
        """End the span of a request."""
        span = _SPAN.get()
        if span is None:
            return
        if isinstance(reply, Answer):
            span.set_attribute("http.response.status_code", reply.status)
            if reply.status >= _FAILURES:
                self._fail(span, f"HTTP {reply.status}")
        else:
            self._fail(span, reply.reason if isinstance(reply, NoAnswer) else "cut short")
        span.end()
        _SPAN.set(None)

    def intended(self, intent: Intent) -> None:
        """From here on the worker is about this fulfillment."""
        _ABOUT.set(fulfillment_name(intent.order_ids, intent.tracking_number))

    def recorded(self, intent: Intent, outcome: Outcome) -> None:  # noqa: ARG002 - the next one is another
        """The span of the request has told it; after a success the worker is about another fulfillment."""
        if outcome.status in FINE:
            _ABOUT.set("")

    def noted(self, intent: Intent, what: Sequence[Happening]) -> None:
        """The span of the request has told it."""

    def told(self, fulfillment: Fulfillment, how: Told) -> None:  # noqa: ARG002 - the next one is another
        """From here on the worker is about another fulfillment."""
        _ABOUT.set("")

    def says(self, words: str) -> None:
        """Write it down as an event of the run."""
        if words:
            self._run.add_event("waiting", {"message": words})

    def _fail(self, span: Span, words: str) -> None:
        span.set_status(self._trace.StatusCode.ERROR, words)
