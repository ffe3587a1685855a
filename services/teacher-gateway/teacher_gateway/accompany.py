"""Makes what accompanies every guidance, as settings and teachers file have it: purse, cassette and leak guard."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from teacher_gateway.cassette.files import CassetteFiles
from teacher_gateway.cassette.recorder import Recorder
from teacher_gateway.leaks.guard import RuleGuard
from teacher_gateway.leaks.metrics import LeakMetrics
from teacher_gateway.leaks.probe import StudentProbe
from teacher_gateway.money.ledger import Ledger
from teacher_gateway.money.local import LocalBooks
from teacher_gateway.money.purse import LedgerPurse
from teacher_gateway.money.terms import TermsBook
from teacher_gateway.seams import Seams
from teacher_gateway.settings import GatewaySettings
from teacher_gateway.teachers_file import TeachersFile


def open_cassettes(settings: GatewaySettings, secrets: frozenset[str]) -> CassetteFiles | None:
    """The cassettes below the root; None without one."""
    return None if settings.cassette_root is None else CassetteFiles(settings.cassette_root, secrets)


def create_seams(
    ledger: Ledger | None,
    book: TermsBook,
    recorder: Recorder,
    probe: StudentProbe | None,
    secrets: frozenset[str],
    metrics: CollectorRegistry,
) -> Seams:
    """The three of them."""
    return Seams(
        purse=LedgerPurse(ledger or LocalBooks(), book),
        cassette=recorder,
        leak_guard=RuleGuard(LeakMetrics(metrics), probe),
        secrets=secrets,
    )


def secrets_of(settings: GatewaySettings, file: TeachersFile, environment: Mapping[str, str]) -> frozenset[str]:
    """Every key that this gateway knows: none of them may be written anywhere."""
    variables = [provider.api_key_env for provider in file.providers.values() if provider.api_key_env]
    named = {environment[variable] for variable in variables if environment.get(variable)}
    own = [key for key in (*settings.api_keys.values(), settings.student_api_key) if key is not None]
    return frozenset(key.get_secret_value() for key in own) | named
