"""What happened in a job: as a page, and as a stream of server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from contracts.events import Event
from contracts.statuses import TERMINAL
from contracts.system_views import EventView
from contracts.views import Page
from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from orchestrator.routes.common import JOB_PROBLEMS, Deps, JobOfPath, Limit, page
from orchestrator.store import Store, ended

# Event ids are Redis stream ids.
EVENT_ID = r"^\d{1,19}(-\d{1,19})?$"
# How late a listener hears of an event, at most; each listener costs one small read per poll.
POLL_SECONDS = 0.2
# A connection that lives longer is closed; the client comes back with Last-Event-ID and misses nothing.
STREAM_LIFE_SECONDS = 900.0
STREAM_BATCH = 200
router = APIRouter(prefix="/v1/jobs/{job_id}/events", tags=["events"], responses=JOB_PROBLEMS)

After = Annotated[str | None, Query(pattern=EVENT_ID, description="Event id: only newer events.")]


@router.get("")
async def list_events(
    row: JobOfPath,
    services: Deps,
    after: After = None,
    limit: Limit = 100,
    order: Annotated[
        Literal["asc", "desc"], Query(description="`desc`: newest first; `after` goes further back.")
    ] = "asc",
) -> Page[EventView]:
    """Events, oldest first unless told otherwise."""
    read = services.store.events if order == "asc" else services.store.newest_events
    found = await read(row.id, after, limit + 1)
    return page([event_view(*item) for item in found], [event_id for event_id, _ in found], limit)


@router.get("/stream", response_class=EventSourceResponse)
async def stream_events(
    row: JobOfPath,
    services: Deps,
    after: After = None,
    last_event_id: Annotated[str | None, Header(pattern=EVENT_ID)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events as they happen, from the first or behind `Last-Event-ID`; closes after the last one."""
    async for event_id, event in follow(services.store, row.id, last_event_id or after):
        body = event_view(event_id, event)
        yield ServerSentEvent(id=event_id, event=body.type, data=body)


async def follow(store: Store, job_id: str, after: str | None) -> AsyncIterator[tuple[str, Event]]:
    """Events in order until the job's last one, or until the connection's life is over."""
    until = time.monotonic() + STREAM_LIFE_SECONDS
    while time.monotonic() < until:
        # The status is read first: when it is terminal, the events read after it are all there will ever be.
        row = await store.job(job_id)
        found = await store.events(job_id, after, STREAM_BATCH)
        for event_id, event in found:
            yield event_id, event
            after = event_id
            if ended(event):
                return
        if not found and (row is None or row.status in TERMINAL):
            return
        if len(found) < STREAM_BATCH:
            await asyncio.sleep(POLL_SECONDS)


def event_view(event_id: str, event: Event) -> EventView:
    """An event with its id."""
    return EventView(id=event_id, **event.model_dump(mode="json"))
