"""What every part of a job specification is."""

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Base of every part of a job: unknown fields are refused, values never change."""

    # Only of a constrained string does pydantic look whether it is Unicode at all: JSON's "\ud800" is none.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_min_length=0)
