"""A scrape finds all that happened before it, and what nobody asks for does not pile up."""

from prometheus_client import CollectorRegistry, Counter, generate_latest
from servicekit.tally import MOST_KEPT, Tally


def counted(registry: CollectorRegistry) -> tuple[Tally, Counter]:
    tally = Tally(registry)
    return tally, Counter("sample", "What happened.", ["kind"], registry=registry)


def test_a_scrape_finds_all() -> None:
    registry = CollectorRegistry()
    tally, counter = counted(registry)
    for kind, amount in (("good", 2), ("bad", 1), ("good", 3)):
        tally.add(lambda kind, amount: counter.labels(kind).inc(amount), kind, amount)
    page = generate_latest(registry).decode()
    assert 'sample_total{kind="good"} 5.0' in page
    assert 'sample_total{kind="bad"} 1.0' in page
    assert generate_latest(registry).decode() == page, "nothing counts twice"


def test_what_nobody_asks_for_is_added_up_in_time() -> None:
    tally, counter = counted(CollectorRegistry())
    child = counter.labels("good")
    for _ in range(MOST_KEPT + 1):
        tally.add(child.inc)
    (metric,) = counter.collect()
    assert metric.samples[0].value == MOST_KEPT
