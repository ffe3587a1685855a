"""Every provider by name: the built-in ones, and those of the teachers file."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import entry_points

from pydantic import SecretStr, ValidationError
from servicekit.http_client import Connections

from teacher_gateway.addresses import canonical
from teacher_gateway.chat import ChatClient
from teacher_gateway.keys import KeyRing
from teacher_gateway.providers.base import Account, Entry, Provider
from teacher_gateway.providers.openai_compatible import OpenAICompatible
from teacher_gateway.providers.retry import FixedText
from teacher_gateway.providers.student import Student, StudentOptions, chat_address
from teacher_gateway.providers.tutor import Tutor
from teacher_gateway.settings import GatewaySettings
from teacher_gateway.teachers_file import OPENAI_COMPATIBLE, STUDENT, ProviderSettings, TeachersFile

Registry = dict[str, Entry]
ENTRY_POINT_GROUP = "socratic.teachers"
COMMERCIAL = ("openai", "anthropic", "gemini")


@asynccontextmanager
async def open_registry(
    settings: GatewaySettings, connections: Connections, file: TeachersFile, environment: Mapping[str, str]
) -> AsyncIterator[Registry]:
    """Every provider; those that are asynchronous context managers are entered and left."""
    registry = create_registry(settings, connections, file, environment)
    async with AsyncExitStack() as stack:
        for entry in registry.values():
            if isinstance(entry.provider, AbstractAsyncContextManager):
                await stack.enter_async_context(entry.provider)
        yield registry


def create_registry(
    settings: GatewaySettings, connections: Connections, file: TeachersFile, environment: Mapping[str, str]
) -> Registry:
    """One entry per provider; `connections` carry the requests of those that speak OpenAI's chat API."""
    missing = file.missing_keys(environment)
    chat = ChatClient(connections, KeyRing(settings.api_keys | _tutor_key(settings)))
    registry = {
        "tutor": Entry(_tutor(settings, chat), settings.tutor_url or "Set TEACHER_GATEWAY_TUTOR_URL to have a tutor."),
        "openai_compatible": Entry(OpenAICompatible(chat), "Any OpenAI chat API; the job names base_url and model."),
        "retry": Entry(FixedText(), "The fixed text of the ablation without guidance; needs no server."),
    }
    for name, provider in file.providers.items():
        if name in missing:
            registry[name] = Entry(None, f"Set {missing[name]} to the key of provider {name}.", provider)
        else:
            key = environment[provider.api_key_env] if provider.api_key_env else None
            registry[name] = Entry(_create(provider, key, connections), _where(provider), provider)
    return registry


def check_kinds(file: TeachersFile) -> None:
    """Raises ValueError for a `kind` that nothing provides, and for options that the kind does not know."""
    known = [*COMMERCIAL, OPENAI_COMPATIBLE, STUDENT, *sorted(entry_points(group=ENTRY_POINT_GROUP).names)]
    for name, provider in file.providers.items():
        if provider.kind not in known:
            raise ValueError(f"providers.{name}.kind: {provider.kind} is not installed; there are: {', '.join(known)}")
        if provider.kind == STUDENT:
            try:
                StudentOptions.model_validate(provider.options)
            except ValidationError as error:
                fault = error.errors()[0]
                place = ".".join(map(str, fault["loc"]))
                raise ValueError(f"providers.{name}.options.{place}: {fault['msg']}") from None


def _create(settings: ProviderSettings, key: str | None, connections: Connections) -> Provider:
    if settings.kind == OPENAI_COMPATIBLE and settings.base_url:
        return OpenAICompatible(ChatClient(connections, _ring(settings.base_url, key)), settings.base_url)
    if settings.kind == STUDENT and settings.base_url:
        chat = ChatClient(connections, _ring(chat_address(settings.base_url), key))
        return Student(chat, settings.base_url, StudentOptions.model_validate(settings.options))
    if settings.kind in COMMERCIAL:
        # Imported here because the SDKs take seconds, which a gateway without such a teacher need not pay.
        from teacher_gateway.providers.commercial import create_commercial

        return create_commercial(settings, key)
    (entry_point,) = entry_points(group=ENTRY_POINT_GROUP, name=settings.kind)
    create: Callable[[Account], Provider] = entry_point.load()
    return create(Account(settings.base_url, key, settings.options))


def _ring(base_url: str, key: str | None) -> KeyRing:
    return KeyRing({} if key is None else {base_url: SecretStr(key)})


def _where(settings: ProviderSettings) -> str:
    return settings.kind + (f" at {canonical(settings.base_url)}" if settings.base_url else "")


def _tutor_key(settings: GatewaySettings) -> dict[str, SecretStr]:
    """The services' own key opens the tutor; no job can name another address for it."""
    if settings.tutor_url is None or settings.service_key is None:
        return {}
    return {f"{settings.tutor_url.rstrip('/')}/v1": settings.service_key}


def _tutor(settings: GatewaySettings, chat: ChatClient) -> Provider | None:
    return Tutor(chat, settings.tutor_url) if settings.tutor_url else None
