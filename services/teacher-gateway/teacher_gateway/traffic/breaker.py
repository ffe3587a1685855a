"""The circuit breaker: a provider that fails again and again is left alone for a while."""

from dataclasses import dataclass, field

from teacher_gateway.teachers_file import Breaker


@dataclass
class Circuit:
    """closed -> (failures in a row) -> open -> (pause) -> one trial call -> closed, or open again. Pure."""

    terms: Breaker
    failures: int = 0
    open_until: float = field(default=0.0)
    trying: bool = False

    def wait(self, now: float) -> float:
        """0 when a call may be made (a trial takes the only place), else seconds after which to come back."""
        if self.failures < self.terms.failures:
            return 0.0
        if now < self.open_until:
            return self.open_until - now
        if self.trying:
            return self.terms.pause_seconds
        self.trying = True
        return 0.0

    def succeeded(self) -> None:
        """The provider works: everything is forgotten."""
        self.failures, self.trying = 0, False

    def failed(self, now: float) -> None:
        """One more failure in a row; at the last allowed one, and after a failed trial, the circuit opens."""
        self.failures += 1
        self.trying = False
        if self.failures >= self.terms.failures:
            self.open_until = now + self.terms.pause_seconds
