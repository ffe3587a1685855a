"""The materials table: a built-in task that a student of 0.3M parameters learns in minutes on a laptop."""

from tasks.materials.task import MaterialsOptions, MaterialsTask
from tasks.materials.tutor import guide, hint

__all__ = ["MaterialsOptions", "MaterialsTask", "guide", "hint"]
