"""The learning rules a job can choose, each with its own closed settings."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Normalisation = Literal["row", "group_row", "token"]
NORMALISATION_HELP = (
    "Statistics of the advantage: over all (rollout, attempt) rows (`row`, Theorem 1), after subtracting the mean of "
    "the prompt's rows (`group_row`), or weighted by tokens (`token`)."
)


class MethodSpec(BaseModel):
    """Base of the methods: unknown settings are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SocraticPO(MethodSpec):
    """Guided attempts under batch-level reward decay (paper eqs 16-19)."""

    name: Literal["socratic_po"] = "socratic_po"
    guidance: bool = Field(True, description="False replaces every guidance by the fixed retry text (w/o tg).")
    decay: Literal["batch_mean", "none"] = Field("batch_mean", description="`none` keeps raw rewards (w/o rd).")
    normalisation: Normalisation = Field("row", description=NORMALISATION_HELP)


class ReinforcePP(MethodSpec):
    """Reinforce++ on first attempts: rewards normalised over the global batch."""

    name: Literal["reinforce_pp"] = "reinforce_pp"
    normalisation: Normalisation = Field("row", description=NORMALISATION_HELP)


Method = Annotated[SocraticPO | ReinforcePP, Field(discriminator="name")]
