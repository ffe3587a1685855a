"""`python -m tutor`: the materials task's tutor behind the OpenAI chat API."""

from servicekit.logs import configure_logs
from servicekit.server import serve
from servicekit.settings import parse_settings

from tutor.app import create_app
from tutor.settings import TutorSettings


def main() -> None:
    """Read the settings and serve until told to stop."""
    settings = parse_settings(TutorSettings, "tutor", "The materials task's tutor behind the OpenAI chat API.")
    configure_logs("tutor", settings.log_level, settings.log_format)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
