"""What may pass on the way to an engine or the gateway is named as such."""

import socket

import pytest
from orchestrator.rollout.door import Door
from orchestrator.rollout.retries import Unavailable
from servicekit.http_client import Connections


async def test_nobody_listens(connections: Connections, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(Unavailable, match=f"{url} did not answer") as caught:
        await Door(connections, url, "gone", None).post(b"{}", 10.0)
    assert caught.value.code == "gone"


async def test_nobody_answers(connections: Connections) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = "http://{}:{}".format(*listener.getsockname())
        with pytest.raises(Unavailable, match=f"{url} gave no answer within 0.1 s") as caught:
            await Door(connections, url, "gone", None).post(b"{}", 0.1)
    assert caught.value.code == "gone"
