"""What every part of a job specification is."""

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Base of every part of a job: unknown fields are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
