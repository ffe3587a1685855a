"""Text in and out, where the model directory has a tokenizer."""

import json
import shutil
from pathlib import Path

import pytest
from student_inference.answers import answer
from student_inference.chat import ChatTemplate
from student_inference.config import ModelError
from student_inference.intake import Limits, requests_of
from student_inference.protocol import BadRequest, parse_body
from student_inference.text import TextCodec
from tokenizers import Tokenizer, models, pre_tokenizers

from .conftest import StartEngine

LIMITS = Limits(vocab_size=61, context_length=256, max_total_tokens=4096, eos_ids=frozenset({1}))


@pytest.fixture
def spoken(student: Path, tmp_path: Path) -> Path:
    """The student with a tokenizer of 61 words, w0 to w60, that ends with w3."""
    directory = Path(shutil.copytree(student, tmp_path / "spoken"))
    tokenizer = Tokenizer(models.WordLevel({f"w{index}": index for index in range(61)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "w3"}}))
    return directory


def test_text_prompts_and_stop_texts(spoken: Path, start_engine: StartEngine) -> None:
    text = TextCodec(spoken)
    engine = start_engine(spoken, decode=text.decode_all)

    def ask(**sampling: object) -> dict[str, object]:
        values = {"temperature": 0, "max_new_tokens": 8, "ignore_eos": True} | sampling
        body = parse_body(json.dumps({"text": "w5 w6", "sampling_params": values}).encode())
        [request] = requests_of(body, LIMITS, text)
        assert request.prompt == [5, 6]
        engine.engine.submit(request)
        return answer(engine.wait(1)[0], body, text, scored=False)

    ids = ask()["output_ids"]
    assert isinstance(ids, list)
    words = [f"w{token}" for token in ids]
    # It follows a prompt, so a space comes first.
    whole = "".join(f" {word}" for word in words)
    assert ask()["text"] == whole
    stop = f"{words[2]} {words[3]}"
    stopped = ask(stop=stop)
    assert stopped["text"] == whole.split(stop)[0]
    assert ids[: len(stopped["output_ids"])] == stopped["output_ids"]  # type: ignore[arg-type]
    assert stopped["meta_info"]["finish_reason"] == {"type": "stop", "matched": stop}  # type: ignore[index]
    assert str(ask(stop=[stop], no_stop_trim=True)["text"]).endswith(stop)


def test_a_stop_text_may_name_a_special_token(spoken: Path, start_engine: StartEngine) -> None:
    tokenizer = Tokenizer.from_file(str(spoken / "tokenizer.json"))
    tokenizer.add_special_tokens(["w7"])
    tokenizer.save(str(spoken / "tokenizer.json"))
    text = TextCodec(spoken)
    assert (text.decode([5, 7, 6]), text.decode_all([5, 7, 6])) == ("w5 w6", "w5 w7 w6")

    always_w7 = {"max_new_tokens": 8, "temperature": 0, "logit_bias": {"7": 1000.0}, "stop": ["w7"]}
    body = parse_body(json.dumps({"input_ids": [5, 6], "sampling_params": always_w7}).encode())
    engine = start_engine(spoken, decode=text.decode_all)
    [request] = requests_of(body, LIMITS, text)
    engine.engine.submit(request)
    [finished] = engine.wait(1)
    assert finished.finish == {"type": "stop", "matched": "w7"}
    assert finished.output == [7]


def test_the_tokenizers_own_end_token_is_known(spoken: Path) -> None:
    assert TextCodec(spoken).eos_ids == {3}


def test_a_malformed_tokenizer_is_refused(spoken: Path) -> None:
    (spoken / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        TextCodec(spoken)


def test_a_template_that_reaches_for_the_machine_is_refused(tmp_path: Path) -> None:
    """A model directory may come from anywhere: its template is run in the sandbox."""
    mark = tmp_path / "reached"
    escape = "cycler.__init__.__globals__.os.system('touch " + str(mark) + "')"
    (tmp_path / "chat_template.jinja").write_text("{{ " + escape + " }}")
    with pytest.raises(BadRequest, match="refuses"):
        ChatTemplate(tmp_path).render([{"role": "user", "content": "hello"}])
    assert not mark.exists()
