"""What goes through the queue, and a queue that is not there."""

import json
from datetime import UTC, datetime

import pytest
import redis
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads, prepare_accept_content
from orchestrator.rollout.dispatch import MESSAGE_LIFE_SECONDS, ChunkSender, create_celery


def test_messages_are_json_and_carry_ids_only(redis_url: str) -> None:
    ChunkSender(redis_url).send("job-1", "train", 3, 2)
    client = redis.Redis.from_url(redis_url)
    message = json.loads(client.lindex("socratic:celery:rollout", 0))
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "rollout.chunk"
    assert message["headers"]["ignore_result"] is True
    left = datetime.fromisoformat(message["headers"]["expires"]) - datetime.now(UTC)
    assert 0 < left.total_seconds() <= MESSAGE_LIFE_SECONDS, "what nobody takes does not pile up"
    client.close()


def test_a_message_that_would_be_unpickled_is_refused() -> None:
    """Whoever can write to Redis may queue what they like."""
    accepted = create_celery("redis://127.0.0.1:9/0").conf.accept_content
    empty_tuple = b")."
    with pytest.raises(ContentDisallowed):
        loads(empty_tuple, "application/x-python-serialize", "binary", prepare_accept_content(accepted))


def test_a_broker_that_is_away_is_a_connection_error() -> None:
    sender = ChunkSender("redis://127.0.0.1:9/0")
    with pytest.raises(ConnectionError, match="could not be queued"):
        sender.send("job-1", "train", 3, 2)
