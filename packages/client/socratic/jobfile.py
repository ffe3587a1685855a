"""A job file (YAML or JSON) -> JobSpec."""

from pathlib import Path
from typing import Any

import yaml
from contracts.errors import Problem
from contracts.jobs import JobSpec
from pydantic import ValidationError


def load_job(path: Path) -> JobSpec:
    """Raises Problem naming every wrong field, or what is wrong with the file."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise Problem(422, "no_job_file", f"There is no file {path}. Commented job files: examples/*.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise Problem(422, "bad_job_file", f"{path} is no readable YAML: {error}") from None
    return job_of(content, path)


def job_of(content: Any, path: Path) -> JobSpec:
    """The job that parsed content says. Raises Problem naming every wrong field; `path` is where it came from."""
    try:
        return JobSpec.model_validate(content)
    except ValidationError as error:
        raise problem_of(path, error) from None


def problem_of(path: Path, error: ValidationError) -> Problem:
    """One message for each wrong field, under its dotted path in the file."""
    errors = [
        {"field": ".".join(map(str, item["loc"])) or "(whole file)", "message": item["msg"]} for item in error.errors()
    ]
    return Problem(422, "invalid_job", f"{path} is not a job", errors=errors)
