"""A tokenizer that knows whole words only."""

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from students.templates import ASSISTANT, END, PAD, UNKNOWN, USER, WORDS_TEMPLATE

# A full stop at the end of a sentence is a word of its own; the point of 4.3 is not.
SENTENCE_END = Regex(r"\.(?=\s|$)")


def word_tokenizer(words: Sequence[str], context: int) -> PreTrainedTokenizerFast:
    """Ids: the five special tokens, then the words in the given order. Text is split at white space."""
    specials = [PAD, UNKNOWN, USER, ASSISTANT, END]
    vocabulary = {word: index for index, word in enumerate([*specials, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Replace(SENTENCE_END, " .")
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=WORDS_TEMPLATE,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
