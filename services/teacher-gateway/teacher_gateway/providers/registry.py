"""Every provider by the name that jobs use."""

import aiohttp

from teacher_gateway.chat import ChatClient
from teacher_gateway.keys import KeyRing
from teacher_gateway.providers.base import Entry, Provider
from teacher_gateway.providers.openai_compatible import OpenAICompatible
from teacher_gateway.providers.retry import FixedText
from teacher_gateway.providers.tutor import Tutor
from teacher_gateway.settings import GatewaySettings

Registry = dict[str, Entry]


def create_registry(settings: GatewaySettings, session: aiohttp.ClientSession) -> Registry:
    """One line per provider; `session` carries the requests of all of them."""
    chat = ChatClient(session, KeyRing(settings.api_keys))
    return {
        "tutor": Entry(_tutor(settings, chat), settings.tutor_url or "Set TEACHER_GATEWAY_TUTOR_URL to have a tutor."),
        "openai_compatible": Entry(OpenAICompatible(chat), "Any OpenAI chat API; the job names base_url and model."),
        "retry": Entry(FixedText(), "The fixed text of the ablation without guidance; needs no server."),
    }


def _tutor(settings: GatewaySettings, chat: ChatClient) -> Provider | None:
    return Tutor(chat, settings.tutor_url) if settings.tutor_url else None
