"""`python -m orchestrator`: the REST API and the controller."""

from servicekit.logs import configure_logs
from servicekit.server import serve
from servicekit.settings import parse_settings

from orchestrator.app import build_app
from orchestrator.settings import OrchestratorSettings


def main() -> None:
    """Read the environment and serve."""
    purpose = "REST API for training jobs, and the controller that drives them."
    settings = parse_settings(OrchestratorSettings, "orchestrator", purpose)
    configure_logs("orchestrator", settings.log_level, settings.log_format)
    serve(build_app(settings), settings)


if __name__ == "__main__":
    main()
