"""HTTP of the scoring door."""

from typing import Annotated, Literal

from contracts.errors import invalid
from contracts.teachers import TeacherSpec
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from servicekit.openapi import problems

from teacher_gateway.scoring.client import Scorer
from teacher_gateway.scoring.formats import Engine

router = APIRouter(prefix="/v1", tags=["scoring"])
TokenId = Annotated[int, Field(ge=0)]


class ScoreRequest(BaseModel):
    """Tokens of the student's tokenizer, which the teacher must share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: TeacherSpec
    engine: Engine = Field(description="What the teacher's server is: `vllm` or `sglang`.")
    token_ids: list[TokenId] = Field(min_length=2, max_length=262_144, description="Context and answer, end to end.")
    start: int = Field(1, ge=1, description="Index of the first token that is scored; the first of all cannot be.")


class ScoreResponse(BaseModel):
    """log p(token | all before it) under the teacher, in nats."""

    object: Literal["score"] = "score"
    start: int
    logprobs: list[float]


@router.post("/score", responses=problems(501, 502, 504))
async def score(asked: ScoreRequest, request: Request) -> ScoreResponse:
    """Log-probabilities of token_ids[start:] under a local teacher; 501 with the reason for one that cannot tell."""
    if asked.start >= len(asked.token_ids):
        raise invalid("start", f"must be below the number of token_ids, {len(asked.token_ids)}")
    scorer: Scorer = request.app.state.scorer
    scored = await scorer.score(asked.teacher, asked.engine, asked.token_ids, asked.start)
    return ScoreResponse(start=asked.start, logprobs=scored.logprobs)
