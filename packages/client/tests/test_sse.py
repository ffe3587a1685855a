"""The examples of the standard (WHATWG HTML, 9.2.6) and what a broken connection leaves."""

from socratic.sse import Message, messages


def parsed(text: str) -> list[Message]:
    return list(messages(text.split("\n")))


def test_a_message_has_the_last_id_seen() -> None:
    assert parsed("data: first\nid: 1\n\ndata: second\n\n") == [
        Message("1", "message", "first"),
        Message("1", "message", "second"),
    ]


def test_lines_of_data_are_joined_and_one_leading_space_is_dropped() -> None:
    assert parsed("event: e\ndata:  a\ndata:b\n\n") == [Message("", "e", " a\nb")]


def test_comments_and_empty_events_are_no_messages() -> None:
    assert parsed(": ping\n\nevent: nothing\n\n") == []


def test_a_message_cut_short_is_not_given_out() -> None:
    assert parsed("id: 7\ndata: half") == []
