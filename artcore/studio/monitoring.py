"""What the server tells those who run it: /healthz, /readyz, Prometheus' /metrics; and how it takes leave of visitors.

The jobs of the page are counted where Gradio keeps them, in the page's queue: HTTP alone would only show that
somebody joined it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence

import gradio as gr
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from gradio.server_messages import ProcessCompletedMessage
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from artcore import __version__
from artcore.load import LoadError, catalog
from artcore.studio import words
from artcore.studio.sessions import Sessions

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)  # bounds of the histograms
LINGER = 3  # seconds after the last answer in which a browser fetches the picture that it was told of
LEAVING = "This server is being stopped: try again in a minute."

_log = logging.getLogger("uvicorn.error")  # the log that a running server shows


class Monitor:
    """Counts what an application is asked and what its page works on, and knows whether it is ready."""

    def __init__(self, page: gr.Blocks) -> None:
        self.page = page
        self.leaving = False
        self.closing = asyncio.Event()  # ends the streams that browsers keep open for ever
        self.open = 0  # other requests that are being answered
        self.sessions: Sessions | None = None  # once the application has them
        self.last = 0.0  # time.monotonic() when the last of them was
        self.registry = CollectorRegistry()  # its own: one process may hold several applications
        kept = {"registry": self.registry}
        self.requests = Counter("artcore_requests", "HTTP requests.", ["endpoint", "method", "status"], **kept)
        self.seconds = Histogram(
            "artcore_request_seconds", "Until an HTTP request was answered.", ["endpoint"], buckets=SECONDS, **kept
        )
        self.jobs = Counter("artcore_jobs", "Jobs of the page and its API that ended.", ["job", "status"], **kept)
        self.work = Histogram("artcore_job_seconds", "What jobs took that succeeded.", ["job"], buckets=SECONDS, **kept)
        waiting = Gauge("artcore_queue_length", "Jobs of the page and its API that wait.", **kept)
        waiting.set_function(lambda: len(page._queue))
        running = Gauge("artcore_jobs_running", "Jobs of the page and its API that run.", **kept)
        running.set_function(page._queue.get_active_worker_count)
        info = Gauge("artcore_info", "Which version this is.", ["version", "replica"], **kept)
        info.labels(__version__, os.environ.get("ARTCORE_REPLICA", "")).set(1)
        ProcessCollector(registry=self.registry)  # memory, processor time, open files

    def router(self, guard: Sequence[object] = ()) -> APIRouter:
        """/healthz, /readyz and /metrics; ``guard`` holds the dependencies of the last."""
        router = APIRouter()

        @router.get("/healthz")
        async def healthz() -> dict[str, str]:
            """Whether the server answers, and which version it is."""
            return {"status": "ok", "version": __version__}

        @router.get("/readyz")
        def readyz() -> JSONResponse:
            """Whether visitors should be sent here; if not, the status is 503 and "why" says what to do."""
            why, missing = self.unready()
            if why:
                return JSONResponse({"status": "not ready", "why": why}, 503)
            return JSONResponse({"status": "ready", "missing": missing})

        @router.get("/metrics", dependencies=guard)
        async def metrics() -> Response:  # async, since only the event loop's own thread may touch the queue
            self.settle()
            return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

        return router

    def unready(self) -> tuple[str, list[str]]:
        """Why nobody should be sent here, or an empty string; and the catalog's names whose weights are missing.

        One style that is missing is told, but sends nobody away: every other still paints.
        """
        if self.leaving:
            return LEAVING, []
        try:
            entries = catalog().values()
        except LoadError as error:
            return str(error), []
        there = {e.name for e in entries if e.repo or (e.path is not None and (e.path / "model.safetensors").is_file())}
        missing = [e.name for e in entries if e.name not in there]
        return "" if there else "There are no weights: restore weights/ from a release.", missing

    def leave(self) -> None:
        """From now on nothing new is begun."""
        self.leaving = True
        if self.unfinished():
            _log.info("Finishing %d jobs and requests; a second signal stops at once.", self.unfinished())

    def unfinished(self) -> int:
        """Jobs that run or wait, and requests that are being answered."""
        return len(self.page._queue) + self.page._queue.get_active_worker_count() + self.open

    def done(self) -> bool:
        """Whether everything ended, and long enough ago for its pictures to have been fetched."""
        return not self.unfinished() and time.monotonic() - self.last > LINGER

    def dismiss(self) -> None:
        """Ends the page's jobs: each visitor is told why, and what runs is closed at its next step."""
        for event in list(self.page._queue.event_ids_to_events.values()):
            words.hear(event.request)
            told = ProcessCompletedMessage(
                output={"error": words.say(LEAVING)}, title=words.say("That did not work"), success=False
            )
            self.page._queue.send_message(event, told)
            event.alive = False

    def settle(self) -> None:
        """Counts the jobs that ended since the last time, and has Gradio forget them: it would keep ten thousand, and
        go through all of them whenever a job ends."""
        records = self.page._queue.event_analytics
        for key, record in list(records.items()):
            if record["status"] in ("success", "failed", "cancelled"):
                self.jobs.labels(record["function"], record["status"]).inc()
                if record["process_time"] is not None:
                    self.work.labels(record["function"]).observe(record["process_time"])
                if record["session_hash"] == key and self.sessions is not None:
                    self.sessions.ended(key)
                del records[key]


class Watch:
    """ASGI middleware that counts every request, names this replica to the proxy before it, and refuses what is new
    once the server is leaving. Paths may come with ``root_path`` before them or without."""

    def __init__(self, app: ASGIApp, monitor: Monitor, root_path: str = "") -> None:
        self.app = app
        self.monitor = monitor
        self.root_path = root_path
        self.replica = os.environ.get("ARTCORE_REPLICA", "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        monitor, start = self.monitor, time.perf_counter()
        scope["root_path"] = self.root_path
        refused = monitor.leaving and _begins(scope)
        lasting = _lasts(scope)
        status, complete = 500, True  # what never began to be answered has failed

        async def heard() -> Message:
            """What the client sends, or that it is gone, as soon as the server wants to be."""
            waiting = [asyncio.ensure_future(coroutine) for coroutine in (receive(), monitor.closing.wait())]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                return waiting[0].result() if waiting[0].done() else {"type": "http.disconnect"}
            finally:
                for future in waiting:
                    future.cancel()

        async def told(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.replica and not refused:
                    MutableHeaders(scope=message)["X-Artcore-Replica"] = self.replica
            complete = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        monitor.open += not lasting
        answer: ASGIApp = JSONResponse({"error": LEAVING}, 503, {"Retry-After": "60"}) if refused else self.app
        try:
            await answer(scope, heard if lasting else receive, told)
            if not complete and monitor.closing.is_set():
                await send({"type": "http.response.body"})
        finally:
            monitor.open -= not lasting
            monitor.last = monitor.last if lasting else time.monotonic()
            # The pattern and not the path, which anybody may invent.
            endpoint = getattr(scope.get("route"), "path", "refused" if refused else "unknown")
            monitor.requests.labels(endpoint, scope["method"], status).inc()
            monitor.seconds.labels(endpoint).observe(time.perf_counter() - start)
            monitor.settle()


def _begins(scope: Scope) -> bool:
    """Whether a request begins something: a visit, an upload or a job. Results may still be fetched, jobs stopped."""
    path = scope["path"].removeprefix(scope["root_path"])
    if scope["method"] == "POST":
        return not path.endswith(("/cancel", "/reset"))
    return path in ("", "/")


def _lasts(scope: Scope) -> bool:
    """Whether the answer is a stream that is open as long as the visitor's page is."""
    return scope["method"] == "GET" and ("/heartbeat/" in scope["path"] or scope["path"].rstrip("/").endswith("/mcp"))
