"""Chat templates of the base students. Both are append-only: a later turn never changes the text before it."""

PAD, UNKNOWN, USER, ASSISTANT, END = "<pad>", "<unk>", "<u>", "<a>", "<end>"

WORDS_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.role == 'user' -%}{{ '<u> ' + message.content + ' ' }}"
    "{%- elif message.role == 'assistant' -%}{{ '<a> ' + message.content + ' <end> ' }}"
    "{%- else -%}{{ raise_exception('this student knows user and assistant turns only') }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<a> ' }}{%- endif -%}"
)

CHATML_START, CHATML_END = "<|im_start|>", "<|im_end|>"
CHATML_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
