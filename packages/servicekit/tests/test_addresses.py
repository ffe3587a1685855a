"""What is an address, and that a wrong one is named without being said."""

import pytest
from pydantic import TypeAdapter, ValidationError
from servicekit.addresses import ServiceUrl, address_fault


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8001", "https://api.openai.com/v1", "http://gateway/", "http://[::1]:30000/a/b", "HTTP://Host"],
)
def test_requests_can_be_sent_there(address: str) -> None:
    assert address_fault(address) is None
    assert TypeAdapter(ServiceUrl).validate_python(address) == address


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("127.0.0.1:8001", "must begin with"),
        ("ftp://127.0.0.1", "must begin with"),
        ("http://", "must begin with"),
        ("http://:8001", "is not a URL"),
        ("http://host:0", "must begin with"),
        ("http://host:port", "is not a URL"),
        ("http://host:70000", "is not a URL"),
        ("http://ann:hunter2@host", "must have no user"),
        ("http://host?key=hunter2", "must have no user"),
        ("http://host#hunter2", "must have no user"),
        ("", "must begin with"),
    ],
)
def test_what_no_request_could_be_sent_to(address: str, fault: str) -> None:
    found = address_fault(address)
    assert found is not None
    assert found.startswith(fault)
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(ServiceUrl).validate_python(address)
    assert "hunter2" not in caught.value.errors()[0]["msg"]
