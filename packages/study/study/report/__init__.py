"""docs/study.md and its pictures, from results alone: the same results give the same bytes."""
