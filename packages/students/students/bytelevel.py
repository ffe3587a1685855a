"""A byte-level BPE tokenizer trained on given texts: any text can be written, so nothing is ever unknown."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from students.templates import CHATML_END, CHATML_START, CHATML_TEMPLATE

BYTES_PAD = "<|pad|>"


def train_bpe(texts: Iterable[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """Merges learned from `texts` until there are `vocabulary` tokens, the specials and the 256 bytes included."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BYTES_PAD, CHATML_START, CHATML_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=BYTES_PAD,
        eos_token=CHATML_END,
        additional_special_tokens=[CHATML_START],
        chat_template=CHATML_TEMPLATE,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
