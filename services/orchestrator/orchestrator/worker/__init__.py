"""The rollout worker process: Celery hands it chunks, one event loop rolls all of them out."""
