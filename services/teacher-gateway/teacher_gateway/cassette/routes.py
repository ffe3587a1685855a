"""HTTP of the cassettes."""

import tempfile
from collections.abc import Iterator

from contracts.errors import Problem
from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse
from servicekit.openapi import problems

from teacher_gateway.cassette.files import CassetteFiles
from teacher_gateway.cassette.imports import Imported, import_lines

router = APIRouter(prefix="/v1", tags=["cassettes"])
# A larger import waits on the disk until all of it is checked.
MOST_IN_MEMORY = 1 << 24
NAME = Path(pattern="^[a-z0-9][a-z0-9_-]{0,63}$", description="As a job names it in teacher.cassette.name.")


@router.get("/cassettes/{name}", response_class=StreamingResponse, responses=problems(409))
def export_cassette(request: Request, name: str = NAME) -> StreamingResponse:
    """The whole cassette as JSON lines, one guidance each; empty when nothing was recorded under this name."""
    lines: Iterator[str] = files_of(request).lines(name)
    return StreamingResponse(lines, media_type="application/jsonl")


@router.post("/cassettes/{name}", responses=problems(409, 413))
async def import_cassette(request: Request, name: str = NAME) -> Imported:
    """Add the JSON lines of an export to a cassette, all or (422) none; what it holds already stays as it is."""
    files = files_of(request)
    with tempfile.SpooledTemporaryFile(MOST_IN_MEMORY) as spool:
        async for part in request.stream():
            spool.write(part)
        spool.seek(0)
        return await import_lines(files, name, spool)


def files_of(request: Request) -> CassetteFiles:
    """Raises a 409 where this gateway has no place for cassettes."""
    files: CassetteFiles | None = request.app.state.cassettes
    if files is None:
        raise Problem(409, "no_cassettes", "This gateway keeps no cassettes; set TEACHER_GATEWAY_CASSETTE_ROOT.")
    return files
