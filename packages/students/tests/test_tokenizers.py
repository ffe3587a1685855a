"""Both tokenizers with their templates: nothing unknown, nothing re-tokenised, turns only ever appended."""

import random

import pytest
from contracts.guidance import RETRY_TEXT
from hypothesis import given
from hypothesis import strategies as st
from students.bytelevel import train_bpe
from students.examples import encode, render
from students.wordlevel import word_tokenizer
from tasks.materials import MaterialsOptions, MaterialsTask
from tasks.materials.dialogues import guided_dialogue
from tasks.materials.vocabulary import WORDS
from tasks.supervision import Turn
from transformers import PreTrainedTokenizerFast

WORD_LEVEL = word_tokenizer(WORDS, context=512)
BYTE_LEVEL = train_bpe(["What is the speed of light?", "A rod of 1 m", "the answer is the speed"] * 3, 300, 512)

seeds = st.integers(0, 2**32).map(random.Random)
# Text without the template's own marks: what a user can say.
said = st.text(st.characters(exclude_characters="<|>", exclude_categories=["Cs"]), min_size=1, max_size=40)


def ids(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, str]], generate: bool) -> list[int]:
    text = render(tokenizer, messages, add_generation_prompt=generate)
    return list(tokenizer.encode(text, add_special_tokens=False))


def chat(turns: list[Turn]) -> list[dict[str, str]]:
    return [
        {"role": role, "content": text}
        for turn in turns
        for role, text in (("user", turn.user), ("assistant", turn.assistant))
    ]


@given(seeds)
def test_no_word_of_a_dialogue_is_unknown(rng: random.Random) -> None:
    assert WORD_LEVEL.unk_token_id not in ids(WORD_LEVEL, chat(guided_dialogue(rng)), generate=False)


def test_questions_and_the_retry_text_are_known() -> None:
    task = MaterialsTask(MaterialsOptions(train_questions=50))
    texts = [question.text for question in task.train_questions() + task.test_questions()]
    for text in [*texts, RETRY_TEXT]:
        assert WORD_LEVEL.unk_token_id not in WORD_LEVEL.encode(text)
    assert WORD_LEVEL.encode("a cat") == [WORD_LEVEL.unk_token_id] * 2


def test_a_sentence_ends_in_a_full_stop_and_a_number_does_not() -> None:
    assert WORD_LEVEL.tokenize("gap : A 4.3 again.") == ["gap", ":", "A", "4.3", "again", "."]


@given(seeds)
def test_the_student_reads_its_own_words(rng: random.Random) -> None:
    text = guided_dialogue(rng)[0].assistant
    assert WORD_LEVEL.decode(WORD_LEVEL.encode(text)) == text


@given(said)
def test_bytes_come_back_as_they_were(text: str) -> None:
    assert BYTE_LEVEL.decode(BYTE_LEVEL.encode(text)) == text


@pytest.mark.parametrize("tokenizer", [WORD_LEVEL, BYTE_LEVEL], ids=["words", "bytes"])
@given(turns=st.lists(st.builds(Turn, user=said, assistant=said), min_size=1, max_size=3))
def test_templates_only_append(tokenizer: PreTrainedTokenizerFast, turns: list[Turn]) -> None:
    messages = chat(turns)
    whole = ids(tokenizer, messages, generate=False)
    for cut in range(1, len(messages)):
        asks = messages[cut - 1]["role"] == "user"
        before = ids(tokenizer, messages[:cut], generate=asks)
        assert whole[: len(before)] == before


@pytest.mark.parametrize("tokenizer", [WORD_LEVEL, BYTE_LEVEL], ids=["words", "bytes"])
@given(turns=st.lists(st.builds(Turn, user=said, assistant=said, learn=st.booleans()), min_size=1, max_size=3))
def test_an_example_is_the_template_and_its_mask_the_learned_answers(
    tokenizer: PreTrainedTokenizerFast, turns: list[Turn]
) -> None:
    example = encode(tokenizer, turns)
    assert example.ids == ids(tokenizer, chat(turns), generate=False)
    learned = [token for token, flag in zip(example.ids, example.mask, strict=True) if flag]
    answers = [turn.assistant for turn in turns if turn.learn]
    # Every learned answer ends in the end-of-turn token, once.
    assert learned.count(tokenizer.eos_token_id) == len(answers)
    assert learned == [token for text in answers for token in _answer_ids(tokenizer, text)]


def _answer_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    question = [{"role": "user", "content": "density"}]
    before = ids(tokenizer, question, generate=True)
    return ids(tokenizer, [*question, {"role": "assistant", "content": text}], generate=False)[len(before) :]


def test_the_word_template_refuses_a_system_turn() -> None:
    with pytest.raises(Exception, match="user and assistant turns only"):
        render(WORD_LEVEL, [{"role": "system", "content": "density"}], add_generation_prompt=True)
