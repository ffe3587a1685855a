"""HTTP of the cassettes."""

from collections.abc import Iterator

from contracts.errors import Problem
from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse

from teacher_gateway.cassette.files import CassetteFiles

router = APIRouter(prefix="/v1", tags=["cassettes"])
NAME = Path(pattern="^[a-z0-9][a-z0-9_-]{0,63}$", description="As a job names it in teacher.cassette.name.")


@router.get("/cassettes/{name}", response_class=StreamingResponse)
def export_cassette(request: Request, name: str = NAME) -> StreamingResponse:
    """The whole cassette as JSON lines, one guidance each; empty when nothing was recorded under this name."""
    files: CassetteFiles | None = request.app.state.cassettes
    if files is None:
        raise Problem(409, "no_cassettes", "This gateway keeps no cassettes; set TEACHER_GATEWAY_CASSETTE_ROOT.")
    lines: Iterator[str] = files.lines(name)
    return StreamingResponse(lines, media_type="application/jsonl")
