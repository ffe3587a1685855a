"""What each teacher costs and how much may be spent with its provider: the teachers file, then the price table."""

from contracts.budgets import Caps
from contracts.teachers import TeacherSpec

from teacher_gateway.money.prices import FREE, PriceSpec, Tariff, find_tariff
from teacher_gateway.seams import Call
from teacher_gateway.teachers_file import BUILT_IN, TeachersFile

# Names under which genai-prices lists the kinds of the teachers file.
TABLE_NAMES = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
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
        teacher = call.request.teacher
        if call.provider == "tutor" and teacher.tutor is not None:
            return PriceSpec(usd_per_call=teacher.tutor.usd_per_call)
        return self._tariff(call.rung, call.provider, teacher.model, teacher.base_url)

    def first_tariff(self, teacher: TeacherSpec) -> Tariff | None:
        """The price of the teacher that a job asks for, before any fallback."""
        named = self._file.teachers.get(teacher.name or "")
        if teacher.tutor is not None:
            return PriceSpec(usd_per_call=teacher.tutor.usd_per_call)
        if named is not None and teacher.name is not None:
            return self._tariff(teacher.name, named.provider, named.model, None)
        return self._tariff(teacher.provider, teacher.provider, teacher.model, teacher.base_url)

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
