"""A student's directory: what is read of it, by several at once too, and what is refused."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from contracts.errors import Problem
from orchestrator.rollout.chat import StudentChat

from .makers import byte_tokenizer, save_student, word_tokenizer

AT_ONCE = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from orchestrator.rollout.chat import StudentChat

gate = threading.Barrier(4)

def load(_):
    gate.wait()
    return StudentChat.load(Path(sys.argv[1])).vocab_size

with ThreadPoolExecutor(4) as pool:
    print(*pool.map(load, range(4)))
"""


def test_jobs_that_come_together_right_after_a_start_find_their_student(model_root: Path) -> None:
    """In a process of its own, that has not imported transformers yet."""
    command = [sys.executable, "-c", AT_ONCE, str(model_root / "student")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert len(set(done.stdout.split())) == 1, done.stderr


def test_limits_come_from_the_config(any_chat: StudentChat) -> None:
    assert any_chat.context_length == 512
    assert any_chat.vocab_size == len(any_chat.tokenizer)


def refused(directory: Path) -> str:
    with pytest.raises(Problem) as caught:
        StudentChat.load(directory)
    assert caught.value.status == 422
    assert caught.value.field == "student.model"
    return caught.value.detail


THINKING_DROPPED = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{{ message.content.split('</think>')[-1] if message.role == 'assistant' and not loop.last else message.content }}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LAST_ANSWER_MARKED = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{{ '<think>\n\n</think>\n\n' if message.role == 'assistant' and loop.last else '' }}"
    "{{ message.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
OPENING_NOT_KEPT = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
TURNS_COUNTED = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + loop.length|string + '\n' + message.content }}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NUMBERED_TURNS = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + loop.index|string + '\n' + message.content }}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant2\n' }}{% endif %}"
)
LATER_OPENING_NOT_KEPT = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{{ '<think>\n' if messages|length > 1 else '' }}{% endif %}"
)
ANSWER_CHANGES_WHAT_FOLLOWS = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{{ '(you thought aloud) ' if not loop.first and '<think>' in loop.previtem.content else '' }}"
    "{{ message.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WINDOWED = (
    "{{ raise_exception('no system turns') if messages[0].role == 'system' else '' }}"
    "{% for message in messages[-3:] %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SILENT_END = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (THINKING_DROPPED, "a <think> block"),
        (LAST_ANSWER_MARKED, "plain text"),
        (OPENING_NOT_KEPT, "plain text"),
        (TURNS_COUNTED, "append-only"),
        (NUMBERED_TURNS, "append-only"),
        (LATER_OPENING_NOT_KEPT, "plain text"),
        (ANSWER_CHANGES_WHAT_FOLLOWS, "changes what follows it"),
        (WINDOWED, "plain text"),
        (SILENT_END, "does not end an assistant turn"),
        ("{{ raise_exception('no') }}", "fails on a plain dialogue"),
        ("{{ messages[9].content }}", "fails on a plain dialogue"),
    ],
)
def test_unfit_templates_are_refused(tmp_path: Path, template: str, says: str) -> None:
    detail = refused(save_student(byte_tokenizer(template), tmp_path))
    assert says in detail
    assert "chat_template.jinja" in detail


@pytest.mark.parametrize(
    "escape",
    [
        "cycler.__init__.__globals__.os.system(command)",
        "messages.__class__.__base__.__subclasses__()",
        "messages.clear()",
    ],
)
def test_a_template_that_reaches_for_the_machine_is_refused(tmp_path: Path, escape: str) -> None:
    """Templates run in jinja2's immutable sandbox: a student directory may come from anywhere."""
    mark = tmp_path / "reached"
    template = "{% set command = 'touch " + str(mark) + "' %}{{ " + escape + " }}" + TRIMMED
    detail = refused(save_student(byte_tokenizer(template), tmp_path))
    assert "chat_template.jinja" in detail
    assert not mark.exists()


def test_code_that_comes_with_a_student_does_not_run(tmp_path: Path) -> None:
    """`auto_map` names a class in a file of the directory, which transformers would import if it were trusted."""
    student, mark = save_student(byte_tokenizer(), tmp_path / "student"), tmp_path / "reached"
    path = student / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}))
    (student / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Own: ...\n")
    with suppress(Problem):
        StudentChat.load(student)
    assert not mark.exists()


TRIMMED = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content|trim + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_a_template_that_trims_is_append_only(tmp_path: Path) -> None:
    chat = StudentChat.load(save_student(byte_tokenizer(TRIMMED), tmp_path))
    assert chat.user_turn_ids("  again \n", True) == chat.user_turn_ids("again", True)


def test_a_missing_template_is_refused(tmp_path: Path) -> None:
    assert "no chat template" in refused(save_student(byte_tokenizer(None), tmp_path))


def test_a_missing_tokenizer_is_refused(tmp_path: Path) -> None:
    directory = save_student(byte_tokenizer(), tmp_path)
    (directory / "tokenizer.json").unlink()
    assert "no tokenizer" in refused(directory)


@pytest.mark.parametrize("content", ['{"a":', '{"a": 1}', "[]"])
def test_a_broken_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    directory = save_student(byte_tokenizer(), tmp_path)
    (directory / "tokenizer.json").write_text(content)
    assert "tokenizer" in refused(directory)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"vocab_size": 100}, "vocab_size 100"),
        ({"vocab_size": None}, "no vocab_size"),
        ({"max_position_embeddings": 0}, "no max_position_embeddings"),
    ],
)
def test_limits_that_do_not_fit_are_refused(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    assert says in refused(save_student(byte_tokenizer(), tmp_path, **config))


def test_a_broken_config_is_refused(tmp_path: Path) -> None:
    assert "cannot be loaded" in refused(save_student(byte_tokenizer(), tmp_path, hidden_size="wide"))


def test_messages_that_the_template_refuses_are_named(chat: StudentChat) -> None:
    with pytest.raises(Problem, match="user and assistant only"):
        chat.prompt_ids([{"role": "system", "content": "be brief"}, {"role": "user", "content": "which ?"}])


def test_the_end_of_turn_may_come_from_the_generation_config(tmp_path: Path) -> None:
    tokenizer = word_tokenizer()
    tokenizer.eos_token = "<pad>"
    directory = save_student(tokenizer, tmp_path)
    (directory / "generation_config.json").write_text('{"eos_token_id": [4, 0]}')
    assert StudentChat.load(directory).end_of_turn_id == 4
