"""A scripted call: a question, a cough, an "mm-hmm", an interruption, a tool, a typed turn; and how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from voice_agents.audio import Pcm
from voice_agents.doctor.callers import SPEECH_RATE, Caller
from voice_agents.doctor.findings import Finding, Outcome, Score
from voice_agents.doctor.process import ScrapedFigures

QUESTION = "What time is it in Tokyo?"
TOOL = "Roll two dice."
STORY = "Tell me a story."
TYPED = "What is seven times eight?"
SPOKEN = (QUESTION, TOOL, STORY)
STEPS = ("question", "cough", "mm-hmm", "interruption", "tool", "typed turn")
"""In an order in which the cough, the "mm-hmm" and the interruption need one story only."""

ANSWER_WITHIN_S = 20.0
TURN_WITHIN_S = 40.0
SETTLED_S = 3.5
"""In the first seconds of an answer more evidence is asked for; coughs come after them."""
GAP_S = 0.6
"""Silence that is more than a breath between two sentences."""
BACK_WITHIN_S = 6.0
"""After a cough or an "mm-hmm" the agent has to be heard again."""
ON_S = 1.0
"""It has talked on when it still does so after this time."""
QUIET_S = 0.3
"""What was under way when a turn ended has been heard after so much silence."""
ATTEMPTS = 2
STAGES = ("endpointing", "transcription", "first_token", "text_wait", "first_audio", "playout", "overhead", "stop")


def cough() -> Pcm:
    """A burst of noise that dies away, 16 kHz."""
    length = SPEECH_RATE // 5
    noise = np.random.default_rng(1).normal(0, 6000, length) * np.exp(-np.arange(length) / 700)
    return np.clip(noise, -32767, 32767).astype(np.int16)


def murmur() -> Pcm:
    """An "mm-hmm" with closed lips: two hummed notes with a breath between them, 16 kHz."""
    breath = np.random.default_rng(1).normal(0, 0.03, round(0.07 * SPEECH_RATE))
    sound = np.concatenate([_hum(170, 156, 0.22), breath, _hum(161, 161, 0.3)])
    pcm: Pcm = (sound / np.abs(sound).max() * 9000).astype(np.int16)
    return pcm


def _hum(from_hz: float, to_hz: float, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    length = round(seconds * SPEECH_RATE)
    phase = 2 * np.pi * np.cumsum(np.linspace(from_hz, to_hz, length)) / SPEECH_RATE
    tone = sum(level * np.sin(number * phase) for number, level in enumerate((1.0, 0.5, 0.12, 0.06, 0.05), 1))
    fade = np.minimum(np.arange(length) / (0.05 * SPEECH_RATE), np.arange(length)[::-1] / (0.08 * SPEECH_RATE))
    return np.asarray(tone * np.minimum(1.0, fade))


class Counting(Protocol):
    """An app that tells what happened in it."""

    async def figures(self) -> ScrapedFigures:
        """What it tells now."""

    async def until(self, true: Callable[[ScrapedFigures], bool], within_s: float) -> ScrapedFigures:
        """The figures as soon as this is true of them. Raises TimeoutError."""


class Failure(Exception):
    """A step did not go as it has to; the text says what happened."""


@dataclass(slots=True)
class ScriptedCall:
    """One caller through the whole script; ``speech`` has what it says by its words, 16 kHz."""

    app: Counting
    caller: Caller
    speech: dict[str, Pcm]
    said: list[str] = field(default_factory=list)
    """What the caller said by voice."""
    _figures: dict[str, float | None] = field(default_factory=dict)
    _story: float | None = None
    """How many turns were over when the story was asked for that the agent may still be telling."""

    async def run(self, name: str) -> Score:
        """All steps; one that fails does not end the call."""
        before = await self.app.figures()
        score = Score(name, [])
        steps: dict[str, Callable[[], Awaitable[str]]] = {
            "question": self._question,
            "cough": lambda: self._harmless(cough()),
            "mm-hmm": lambda: self._harmless(murmur()),
            "interruption": self._interruption,
            "tool": self._tool,
            "typed turn": self._typed,
        }
        for title in STEPS:
            score.steps.append(await self._tried(title, steps[title]))
        after = await self.app.figures()
        for stage in STAGES:
            self._figures[stage] = _mean(before, after, self.caller.transport, stage)
        score.figures.update(self._figures)
        return score

    async def _tried(self, title: str, step: Callable[[], Awaitable[str]]) -> Finding:
        """Twice if need be: a moment in which the machine had no time for it is no fault of the app."""
        failures: list[str] = []
        while len(failures) < ATTEMPTS:
            try:
                says = await step()
            except Failure as failure:
                failures.append(str(failure))
                with suppress(Failure):
                    await self._calm()
            else:
                first = f", at the second attempt; at the first: {failures[0]}" if failures else ""
                return Finding(title, Outcome.WARNING if failures else Outcome.OK, f"{says}{first}")
        return Finding(title, Outcome.FAILED, "; then: ".join(dict.fromkeys(failures)))

    # The steps

    async def _question(self) -> str:
        over = await self._turns_over()
        waited = await self._ask(QUESTION)
        self._figures["answer after (as heard)"] = waited
        await self._end_of_turn(over)
        return f"answered after {waited:.2f} s"

    async def _tool(self) -> str:
        over, before = await self._turns_over(), await self._count("tool_calls_total")
        await self._ask(TOOL)
        await self._end_of_turn(over)
        if await self._count("tool_calls_total") == before:
            raise Failure("answered, but without the tool")
        return "called and answered"

    async def _harmless(self, sound: Pcm) -> str:
        """The agent may pause, and has to go on."""
        await self._telling()
        cut, heard = await self._count("interruptions_total"), self.caller.heard
        first, last = await self.caller.say(sound)
        await asyncio.sleep(GAP_S)
        back = await heard.sound(last + GAP_S, BACK_WITHIN_S)
        await asyncio.sleep(ON_S)
        if await self._count("interruptions_total") > cut:
            raise Failure("the agent was interrupted by it")
        if back is None:
            raise Failure(f"the agent was not heard again within {BACK_WITHIN_S + GAP_S:.0f} s")
        silent_s = heard.longest_gap_s(first - GAP_S, back)
        return "talked on" if silent_s < GAP_S else f"silent for {silent_s:.1f} s, then on"

    async def _interruption(self) -> str:
        over = await self._telling()
        before, heard = await self._count("interruptions_total"), self.caller.heard
        first, last = await self._say(QUESTION)
        await self._until("it was not interrupted", lambda f: self._of(f, "interruptions_total") > before)
        silent = max(last, asyncio.get_running_loop().time())
        answer = await heard.sound(silent, ANSWER_WITHIN_S)
        if answer is None:
            raise Failure("it fell silent, and did not answer what it was asked")
        stopped = heard.last_before_longest_gap(first, answer)
        await self._end_of_turn(over + 1)
        self._figures["silent after (as heard)"] = stopped - first
        return f"silent after {stopped - first:.2f} s"

    async def _typed(self) -> str:
        over, began = await self._turns_over(), asyncio.get_running_loop().time()
        await self.caller.type(TYPED)
        if (at := await self.caller.heard.sound(began, ANSWER_WITHIN_S)) is None:
            raise Failure("no answer was heard")
        await self._end_of_turn(over)
        return f"answered after {at - began:.2f} s"

    # Their parts

    async def _say(self, words: str) -> tuple[float, float]:
        self.said.append(words)
        return await self.caller.say(self.speech[words])

    async def _ask(self, words: str) -> float:
        """Say it in a silence; how long it took until something was heard."""
        _, last = await self._say(words)
        at = await self.caller.heard.sound(last, ANSWER_WITHIN_S)
        if at is None:
            raise Failure(f'no answer to "{words}" was heard within {ANSWER_WITHIN_S:.0f} s')
        return at - last

    async def _telling(self) -> float:
        """The agent is in the middle of a story; how many turns were over before it."""
        over = await self._turns_over()
        if self._story != over:
            self._story = over
            await self._ask(STORY)
            await asyncio.sleep(SETTLED_S)
        return over

    async def _end_of_turn(self, over: float) -> None:
        """Until more turns are over than these, and what was said in it has been heard."""
        says = f"the answer did not end within {TURN_WITHIN_S:.0f} s"
        await self._until(says, lambda figures: self._of(figures, "turns_total") > over, TURN_WITHIN_S)
        await self._silence(QUIET_S)

    async def _calm(self) -> None:
        """The next attempt begins in a silence: no answer lasts longer than this."""
        self._story = None
        await self._silence(2 * GAP_S + 1.0)

    async def _silence(self, silent_s: float) -> None:
        try:
            async with asyncio.timeout(TURN_WITHIN_S):
                await self.caller.heard.silence(silent_s)
        except TimeoutError:
            raise Failure(f"it talked for more than {TURN_WITHIN_S:.0f} s") from None

    async def _turns_over(self) -> float:
        return await self._count("turns_total")

    async def _count(self, name: str) -> float:
        return self._of(await self.app.figures(), name)

    def _of(self, figures: ScrapedFigures, name: str) -> float:
        return figures.total(f"voice_agents_{name}", transport=self.caller.transport)

    async def _until(
        self, failure: str, true: Callable[[ScrapedFigures], bool], within_s: float = ANSWER_WITHIN_S
    ) -> None:
        try:
            await self.app.until(true, within_s)
        except TimeoutError:
            raise Failure(failure) from None


def _mean(before: ScrapedFigures, after: ScrapedFigures, transport: str, stage: str) -> float | None:
    sums, counts = (
        after.total(f"voice_agents_latency_seconds_{part}", transport=transport, stage=stage)
        - before.total(f"voice_agents_latency_seconds_{part}", transport=transport, stage=stage)
        for part in ("sum", "count")
    )
    return sums / counts if counts else None
