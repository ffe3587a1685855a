"""Why training ends early: every reason has a name that the job shows."""

from contracts.errors import Problem


class JobFailure(Exception):
    """The job cannot go on. `code` is a stable word, `detail` says what happened and how to mend it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail

    def as_problem(self) -> Problem:
        """The failure as the job's `error`."""
        return Problem(500, self.code, self.detail)


class RankLost(Exception):
    """Another process of the crew is gone or does not answer: this one cannot go on, and ends."""


class RankBroken(RankLost):
    """This process failed where the others go on and now wait for it: the job fails for `failure`, and all end."""

    def __init__(self, rank: int, failure: JobFailure) -> None:
        super().__init__(f"process {rank}: {failure.detail}")
        self.failure = JobFailure(failure.code, f"process {rank}: {failure.detail}")


class JobStopped(Exception):
    """Not an error: the job is no longer running, or the trainer was asked to end."""
