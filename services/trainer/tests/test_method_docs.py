"""What the pages about methods say is true."""

import random
import re
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from contracts import methods
from contracts.methods import Method, MethodSpec
from trainer.batch import assemble

from .makers import answer

DOCS = Path(__file__).parents[3] / "docs"
KINDS: tuple[type[MethodSpec], ...] = get_args(get_args(Method)[0])


def test_the_example_of_writing_a_method_runs() -> None:
    """Right answers of 3 and 1 tokens, a wrong one of 4: the baseline is 4/8."""
    settings, rule = re.findall(r"```python\n(.*?)```", (DOCS / "writing-a-method.md").read_text(), re.DOTALL)
    assert len(rule.splitlines()) <= 20
    room: dict[str, Any] = {"MethodSpec": MethodSpec, "Literal": Literal, "__name__": "example"}
    exec(settings, room)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(methods, "OPO", room["OPO"], raising=False)
        exec(rule, room)
    rng = random.Random(0)
    batch = assemble(1, [answer(rng, reward, n, length) for n, (reward, length) in enumerate([(1, 3), (1, 1), (0, 4)])])
    annotation = room["annotate"](batch, room["OPO"](), {})
    assert [advantages_T[-1] for advantages_T in annotation.advantages_RT] == [0.5, 0.5, -0.5]
    assert not annotation.advantages_RT[0][: len(batch.episodes[0].prompt_token_ids)].any()


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_has_a_row_with_its_settings(kind: type[MethodSpec]) -> None:
    name = kind.model_fields["name"].default
    (row,) = [line for line in (DOCS / "methods.md").read_text().splitlines() if line.startswith(f"| `{name}` |")]
    for setting in kind.model_fields.keys() - {"name"}:
        assert f"`{setting}`" in row
        for choice in get_args(kind.model_fields[setting].annotation):
            if isinstance(choice, str) and setting != "decay":
                assert f"`{choice}`" in row


def test_every_decay_has_a_row() -> None:
    text = (DOCS / "methods.md").read_text()
    for decay in get_args(methods.SocraticPO.model_fields["decay"].annotation):
        assert re.search(rf"^\| `{decay}`", text, re.MULTILINE)
