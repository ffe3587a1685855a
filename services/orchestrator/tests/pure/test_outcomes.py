"""How the episodes of a batch ended, as one string."""

from contracts.manifests import Manifest, ManifestEntry
from orchestrator.outcomes import outcomes_of


def test_one_character_an_episode_whatever_the_order_of_arrival(play):
    entries = [
        ManifestEntry(episode_id=f"j/train/1/q{index}/0", question_id=f"q{index}", sample=0, seed=1)
        for index in range(6)
    ]
    manifest = Manifest(job_id="j", purpose="train", step=1, policy_version=0, entries=entries)
    rewards = [[0.0, 1.0], [1.0], [0.0, 0.0], [], [0.0] * 11 + [1.0]]
    episodes = [play("j", "train", 1, entry, answers) for entry, answers in zip(entries, rewards, strict=False)]
    assert outcomes_of(manifest, episodes[::-1]) == "210xcx"
