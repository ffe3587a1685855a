"""What each teacher costs and how much may be spent with its provider: the teachers file, then the price table."""

from contracts.budgets import Caps
from contracts.teachers import TeacherSpec

from teacher_gateway.money.prices import FREE, PriceSpec, Tariff, find_tariff
from teacher_gateway.seams import Call
from teacher_gateway.teachers_file import BUILT_IN, TeachersFile

# Names under which genai-prices lists the kinds of the teachers file.
TABLE_NAMES = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
TUTOR = "tutor"
# Jobs name models and addresses freely: far more than any installation has, and still nothing in memory.
MOST_TARIFFS = 1000


class TermsBook:
    """Looks up tariffs and caps. Keeps the tariffs that it found, for the table is slow to search."""

    def __init__(self, file: TeachersFile) -> None:
        self._file = file
        self._found: dict[tuple[str, str, str | None, str | None], Tariff | None] = {}

    def caps(self, call: Call) -> Caps | None:
        """What may be spent with this provider, all jobs together."""
        provider = self._file.providers.get(call.provider)
        return provider.budget if provider else None

    def tariff(self, call: Call) -> Tariff | None:
        """The price of this call's teacher; None when nobody knows it."""
        return self._of(call.rung, call.provider, call.request.teacher)

    def first_tariff(self, teacher: TeacherSpec) -> Tariff | None:
        """The price of the teacher that a job asks for, before any fallback; None also for one that nobody knows."""
        if teacher.name is None:
            return self._of(teacher.provider, teacher.provider, teacher)
        named = self._file.teachers.get(teacher.name)
        if named is None:
            return None
        return self._of(teacher.name, named.provider, teacher.model_copy(update={"model": named.model}))

    def _of(self, rung: str, provider: str, teacher: TeacherSpec) -> Tariff | None:
        """`teacher` holds the rung's own model and address; the tutor costs what the job takes it to cost."""
        if provider == TUTOR and teacher.tutor is not None:
            return PriceSpec(usd_per_call=teacher.tutor.usd_per_call)
        return self._tariff(rung, provider, teacher.model, teacher.base_url)

    def _tariff(self, rung: str, provider: str, model: str | None, base_url: str | None) -> Tariff | None:
        place = (rung, provider, model, base_url)
        if place not in self._found:
            if len(self._found) >= MOST_TARIFFS:
                self._found.clear()
            self._found[place] = self._find(*place)
        return self._found[place]

    def _find(self, rung: str, provider: str, model: str | None, base_url: str | None) -> Tariff | None:
        if provider in BUILT_IN:
            return FREE
        named, account = self._file.teachers.get(rung), self._file.providers.get(provider)
        kind, address = (account.kind, account.base_url) if account else (provider, base_url)
        table_name = TABLE_NAMES.get(kind, kind) if address is None else None
        return find_tariff(model, table_name, address, named.price if named else None)
