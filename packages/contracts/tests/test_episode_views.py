"""The views of stored records have every field of the record, and no other that the record should have."""

import msgspec
import pytest
from contracts import credit, episode_views, episodes, manifests
from contracts.views import View

PAIRS: list[tuple[type[msgspec.Struct], type[View]]] = [
    (episodes.VersionSpan, episode_views.SpanView),
    (episodes.Attempt, episode_views.AttemptView),
    (episodes.Guidance, episode_views.GuidanceView),
    (episodes.Failure, episode_views.FailureView),
    (credit.AttemptCredit, episode_views.AttemptCreditView),
    (credit.EpisodeCredit, episode_views.CreditView),
    (manifests.ManifestEntry, episode_views.ManifestEntryView),
    (manifests.Manifest, episode_views.ManifestView),
]


@pytest.mark.parametrize(("record", "view"), PAIRS, ids=lambda kind: kind.__name__)
def test_a_view_has_the_fields_of_its_record(record: type[msgspec.Struct], view: type[View]) -> None:
    assert [field.name for field in msgspec.structs.fields(record)] == list(view.model_fields)


def test_an_episode_is_shown_whole() -> None:
    stored = {field.name for field in msgspec.structs.fields(episodes.Episode)}
    assert stored <= set(episode_views.EpisodeView.model_fields)
