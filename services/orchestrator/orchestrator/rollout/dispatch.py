"""Hands chunks of episodes to the rollout workers: Celery on the Redis broker, ids only."""

from celery import Celery
from contracts.episodes import Purpose
from kombu.exceptions import OperationalError

QUEUE = "rollout"
KEY_PREFIX = "socratic:celery:"
CHUNK_TASK = "rollout.chunk"

# A broker answers within milliseconds; longer means that it is gone, and the controller's next tick tries again.
BROKER_TIMEOUT_SECONDS = 2.0
# Kombu waits for chunks without a socket time-out, and asks for a sign every second: it drops a connection that was
# silent for twice this and that second. Its own value, 25 s, leaves a worker deaf for 51 s.
BROKER_CHECK_SECONDS = 2
# A chunk that nobody took for so long was dispatched again since; dropping it keeps the queue from growing for ever.
MESSAGE_LIFE_SECONDS = 600


def create_celery(redis_url: str) -> Celery:
    """The Celery app that the sender and the workers share. Messages are JSON; no result is ever stored.

    Messages are acknowledged when a worker takes them (early), for recovery belongs to the controller: a chunk whose
    lease expired and whose episodes are missing is dispatched again. Late acknowledgement would only add Celery's own
    redelivery after its visibility time-out of an hour, to workers that are still busy with the chunk. Should Celery
    deliver twice all the same, the chunk's lease and the episode index make the second one do nothing.
    """
    app = Celery("rollout", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=False,
        task_publish_retry=False,
        broker_transport_options={
            "global_keyprefix": KEY_PREFIX,
            "socket_timeout": BROKER_TIMEOUT_SECONDS,
            "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
            "health_check_interval": BROKER_CHECK_SECONDS,
        },
    )
    return app


def queue_key() -> str:
    """The Redis list of chunks that no worker has taken yet."""
    return KEY_PREFIX + QUEUE


class ChunkSender:
    """The controller's end of the queue."""

    def __init__(self, redis_url: str) -> None:
        self.app = create_celery(redis_url)
        # One try: the controller's next tick is the retry.
        self.app.conf.broker_transport_options |= {"max_retries": 0}

    def send(self, job_id: str, purpose: Purpose, step: int, chunk: int) -> None:
        """Queue one chunk; blocks for at most some seconds. Raises ConnectionError when the broker does not answer."""
        try:
            self.app.send_task(
                CHUNK_TASK,
                (job_id, purpose, step, chunk),
                queue=QUEUE,
                expires=MESSAGE_LIFE_SECONDS,
                ignore_result=True,
            )
        except OperationalError as error:
            raise ConnectionError(f"the chunk could not be queued: {error}") from error

    def close(self) -> None:
        """Give the connections back."""
        self.app.close()
