"""HTTP of the teacher gateway."""

from typing import Annotated, Literal

from contracts.guidance import GuidanceRequest, GuidanceResponse
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from teacher_gateway.gateway import Gateway

router = APIRouter(prefix="/v1", tags=["guidance"])


class Teacher(BaseModel):
    """A provider as GET /v1/teachers shows it."""

    provider: str
    available: bool
    detail: str


class TeacherList(BaseModel):
    """Every provider that a job can name."""

    object: Literal["list"] = "list"
    data: list[Teacher]


def gateway_of(request: Request) -> Gateway:
    """The gateway that the app's lifespan made."""
    gateway: Gateway = request.app.state.gateway
    return gateway


ServedGateway = Annotated[Gateway, Depends(gateway_of)]


@router.post("/guidance")
async def give_guidance(guidance: GuidanceRequest, gateway: ServedGateway) -> GuidanceResponse:
    """Guidance on the latest answer of an episode, within `teacher.timeout_seconds`."""
    return await gateway.guide(guidance)


@router.get("/teachers")
async def list_teachers(gateway: ServedGateway) -> TeacherList:
    """Which providers this gateway can reach with its settings."""
    entries = gateway.registry.items()
    return TeacherList(
        data=[
            Teacher(provider=name, available=entry.provider is not None, detail=entry.detail) for name, entry in entries
        ]
    )
