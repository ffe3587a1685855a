"""Requests that the OpenAPI document shows; each is accepted by the stack of `socratic up`."""

from typing import Any

from fastapi.openapi.models import Example

STUDENT = {"model": "models/materials-base"}
JOB: dict[str, Any] = {
    "name": "my-first-job",
    "student": STUDENT,
    "task": {"name": "materials"},
    "teacher": {"provider": "tutor"},
    "training": {"steps": 2, "learning_rate": 4e-4},
}
JOB_REQUESTS: dict[str, Example] = {
    "job": {"summary": "A job of the built-in task, with its tutor", "value": JOB},
    "clone": {
        "summary": "The same once more, but longer",
        "value": {
            "source_job_id": "job-0123456789ab",
            "overrides": {"name": "longer", "training": {"steps": 200}},
        },
    },
}
EPISODE_REQUESTS: dict[str, Example] = {
    "of_the_task": {
        "summary": "The first held-out question, with the tutor",
        "value": {"task": {"name": "materials"}, "teacher": {"provider": "tutor"}},
    },
}
