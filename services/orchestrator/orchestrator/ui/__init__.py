"""The web UI: static files and the headers they travel with. It talks to the public REST API only."""
