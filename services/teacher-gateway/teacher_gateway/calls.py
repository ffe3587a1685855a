"""One try at one rung, with everything that surrounds the provider: gate, purse, hedge."""

import asyncio
from collections.abc import Awaitable, Mapping

from contracts.errors import Problem
from msgspec.structs import replace

from teacher_gateway.failures import TeacherFailure
from teacher_gateway.keys import without
from teacher_gateway.providers.base import Reply
from teacher_gateway.rungs import Rung
from teacher_gateway.seams import Call, Purse, Ticket
from teacher_gateway.traffic.gate import Gate
from teacher_gateway.traffic.hedge import first_reply


class Caller:
    """Passes the gate, reserves, asks, settles."""

    def __init__(self, purse: Purse, gates: Mapping[str, Gate], secrets: frozenset[str] = frozenset()) -> None:
        """secrets: taken out of whatever a provider says, for guidance goes to the student and into its training."""
        self._purse = purse
        self._gates = gates
        self._secrets = secrets

    def call(self, rung: Rung, call: Call, deadline: float) -> Awaitable[Reply]:
        """One reply with its price. Raises TeacherFailure, or the purse's Problem."""
        gate = self._gates.get(rung.provider_name)
        if gate is None:
            return self._ungated(rung, call)
        if gate.hedge_after_seconds is None:
            return self._pass(gate, rung, call, deadline)
        return first_reply(lambda: self._pass(gate, rung, call, deadline), gate.hedge_after_seconds)

    async def _ungated(self, rung: Rung, call: Call) -> Reply:
        return await self._pay(rung, call, await self._purse.reserve(call))

    async def _pass(self, gate: Gate, rung: Rung, call: Call, deadline: float) -> Reply:
        minute, job_id = gate.minute(call), call.request.job_id
        await gate.enter()
        try:
            ticket = await gate.admit(lambda: self._purse.reserve(call, minute), deadline, job_id)
            try:
                reply = await self._pay(rung, call, ticket)
            except (TeacherFailure, asyncio.CancelledError) as failure:
                await gate.failed(failure, job_id)
                raise
            gate.circuit.succeeded()
            return reply
        finally:
            gate.leave()

    async def _pay(self, rung: Rung, call: Call, ticket: Ticket) -> Reply:
        try:
            reply = await rung.provider.guide(call.prompt, rung.request)
        except Problem as failure:
            failure.detail = without(failure.detail, self._secrets)
            self._purse.settle(ticket, call, failure)
            raise
        price = self._purse.settle(ticket, call, reply)
        text, model = without(reply.text, self._secrets), without(reply.model, self._secrets)
        return replace(reply, text=text, model=model, price_usd=price)
