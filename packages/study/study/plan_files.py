"""Plans on disk: those that ship with the package, by name, and files."""

from importlib.resources import files
from pathlib import Path

import yaml
from contracts.errors import Problem
from contracts.jobs import JobSpec
from pydantic import ValidationError

from study.plan import Cell, Plan, Rates, cells

SHIPPED = files("study.plans")


def load_plan(name: str) -> Plan:
    """A shipped plan by its name, else a file. Raises Problem that names every wrong field, in jobs of cells too."""
    shipped = SHIPPED.joinpath(f"{name}.yaml")
    path = Path(name)
    if not shipped.is_file() and not path.is_file():
        known = ", ".join(sorted(each.name.removesuffix(".yaml") for each in SHIPPED.iterdir() if "yaml" in each.name))
        raise Problem(422, "no_plan", f"There is no plan {name}. Shipped plans: {known}; or give a file")
    try:
        content = yaml.safe_load(shipped.read_text("utf-8") if shipped.is_file() else path.read_text("utf-8"))
        plan = Plan.model_validate(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Problem(422, "bad_plan", f"plan {name} is no readable YAML: {error}") from None
    except ValidationError as error:
        raise problem_of(f"plan {name} is none", error) from None
    planned_cells(plan, {})
    return plan


def planned_cells(plan: Plan, rates: Rates) -> list[Cell]:
    """The plan's cells. Raises Problem when a patch makes a job that is none."""
    try:
        return cells(plan, rates)
    except ValidationError as error:
        raise problem_of(f"plan {plan.name} holds a job that is none", error) from None


def problem_of(what: str, error: ValidationError) -> Problem:
    """One message for each wrong field, under its dotted path."""
    errors = [
        {"field": ".".join(map(str, item["loc"])) or "(whole)", "message": item["msg"]} for item in error.errors()
    ]
    return Problem(422, "invalid_plan", f"{what}: {errors[0]['field']}: {errors[0]['message']}", errors=errors)


def missing_paths(plan: Plan) -> dict[str, list[str]]:
    """By experiment, what it needs and is not there."""
    found = {each.name: [path for path in each.needs if not Path(path).exists()] for each in plan.experiments}
    return {name: paths for name, paths in found.items() if paths}


def write_jobs(planned: list[Cell], directory: Path) -> list[Path]:
    """One job file a cell, which `socratic submit` takes."""
    directory.mkdir(parents=True, exist_ok=True)
    return [write_job(cell.job, directory / f"{cell.id.replace('/', '-')}.yaml", cell.id) for cell in planned]


def write_job(job: JobSpec, path: Path, title: str) -> Path:
    """Only what the plan says; the rest is the defaults'."""
    content = job.model_dump(mode="json", exclude_unset=True)
    path.write_text(f"# {title}\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True)}", "utf-8")
    return path
