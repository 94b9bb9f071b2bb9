"""A scripted call: a question, a tool, an interruption, a cough, an "mm-hmm", a typed turn; and how it went."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from voice_agents.audio import Pcm
from voice_agents.doctor.callers import SPEECH_RATE, Caller
from voice_agents.doctor.findings import Finding, Outcome, Score
from voice_agents.doctor.process import LOOK_EVERY_S, AppProcess, Figures

QUESTION = "What time is it in Tokyo?"
TOOL = "Roll two dice."
STORY = "Tell me a story."
TYPED = "What is seven times eight?"
SPOKEN = (QUESTION, TOOL, STORY)

ANSWER_WITHIN_S = 20.0
TURN_WITHIN_S = 60.0
INTO_THE_STORY_S = 1.5
"""The caller lets the agent talk so long before it cuts in."""
SETTLED_S = 3.5
"""In the first seconds of an answer more evidence is asked for; coughs come after them."""
GAP_S = 0.6
"""Silence that is more than a breath between two sentences."""
BACK_WITHIN_S = 6.0
"""After a cough or an "mm-hmm" the agent has to be heard again."""
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


class Failure(Exception):
    """A step did not go as it has to; the text says what happened."""


@dataclass(slots=True)
class ScriptedCall:
    """One caller through the whole script; ``speech`` has what it says by its words, 16 kHz."""

    app: AppProcess
    caller: Caller
    engine: str
    speech: dict[str, Pcm]
    _figures: dict[str, float | None] = field(default_factory=dict)

    async def run(self, name: str) -> Score:
        """All steps; one that fails does not end the call."""
        before, began = await self.app.figures(), time.monotonic()
        score = Score(name, [])
        for title, step in (
            ("question", self._question),
            ("tool", self._tool),
            ("interruption", self._interruption),
            ("cough", lambda: self._harmless(cough())),
            ("mm-hmm", lambda: self._harmless(murmur())),
            ("typed turn", self._typed),
        ):
            score.steps.append(await _tried(title, step))
        after, took_s = await self.app.figures(), time.monotonic() - began
        for stage in STAGES:
            self._figures[stage] = _mean(before, after, self.engine, stage)
        cpu_s = after.total("process_cpu_seconds_total") - before.total("process_cpu_seconds_total")
        self._figures["CPU, share of a core"] = cpu_s / took_s
        score.figures.update(self._figures)
        return score

    # The steps

    async def _question(self) -> str:
        waited = await self._ask(QUESTION)
        self._figures["answer after (as heard)"] = waited
        await self._turns_over()
        return f"answered after {waited:.2f} s"

    async def _tool(self) -> str:
        before = await self._count("tool_calls_total")
        await self._ask(TOOL)
        await self._turns_over()
        if await self._count("tool_calls_total") == before:
            raise Failure("answered, but without the tool")
        return "called and answered"

    async def _interruption(self) -> str:
        before = await self._count("interruptions_total")
        await self._ask(STORY)
        await asyncio.sleep(INTO_THE_STORY_S)
        first, last = await self.caller.say(self.speech[QUESTION])
        await self._until("it was not interrupted", lambda f: self._of(f, "interruptions_total") > before)
        if await self.caller.heard.sound(last, ANSWER_WITHIN_S) is None:
            raise Failure("it fell silent, and did not answer what it was asked")
        stopped = self.caller.heard.last_before_gap(first, GAP_S)
        await self._turns_over()
        if stopped is None:
            raise Failure("it did not fall silent")
        self._figures["silent after (as heard)"] = max(0.0, stopped - first)
        return f"silent after {max(0.0, stopped - first):.2f} s"

    async def _harmless(self, sound: Pcm) -> str:
        """The agent may pause, and has to go on."""
        cut = await self._count("interruptions_total")
        await self._ask(STORY)
        await asyncio.sleep(SETTLED_S)
        first, last = await self.caller.say(sound)
        await asyncio.sleep(GAP_S)
        back = await self.caller.heard.sound(last + GAP_S, BACK_WITHIN_S)
        interrupted = await self._count("interruptions_total") > cut
        await self._turns_over()
        if interrupted:
            raise Failure("the agent was interrupted by it")
        if back is None:
            raise Failure(f"the agent was not heard again within {BACK_WITHIN_S + GAP_S:.0f} s")
        stopped = self.caller.heard.last_before_gap(first, GAP_S)
        return "talked on" if stopped is None or stopped > last + 2.0 else f"silent for {back - stopped:.1f} s, then on"

    async def _typed(self) -> str:
        began = asyncio.get_running_loop().time()
        await self.caller.type(TYPED)
        if (at := await self.caller.heard.sound(began, ANSWER_WITHIN_S)) is None:
            raise Failure("no answer was heard")
        await self._turns_over()
        return f"answered after {at - began:.2f} s"

    # Their parts

    async def _ask(self, words: str) -> float:
        """Say it in a silence; how long it took until something was heard."""
        _, last = await self.caller.say(self.speech[words])
        at = await self.caller.heard.sound(last, ANSWER_WITHIN_S)
        if at is None:
            raise Failure(f'no answer to "{words}" was heard within {ANSWER_WITHIN_S:.0f} s')
        return at - last

    async def _turns_over(self) -> None:
        """Until the agent has been silent for long enough to be done."""
        loop = asyncio.get_running_loop()
        end = loop.time() + TURN_WITHIN_S
        while loop.time() < end:
            last = max(self.caller.heard.loud_at, default=0.0)
            if loop.time() - last > 2 * GAP_S + 1.0:
                return
            await asyncio.sleep(LOOK_EVERY_S)
        raise Failure(f"the answer did not end within {TURN_WITHIN_S:.0f} s")

    async def _count(self, name: str) -> float:
        return self._of(await self.app.figures(), name)

    def _of(self, figures: Figures, name: str) -> float:
        return figures.total(f"voice_agents_{name}", engine=self.engine)

    async def _until(self, failure: str, true: Callable[[Figures], bool]) -> None:
        try:
            await self.app.until(true, ANSWER_WITHIN_S)
        except TimeoutError:
            raise Failure(failure) from None


async def _tried(title: str, step: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(title, Outcome.OK, await step())
    except Failure as failure:
        return Finding(title, Outcome.FAILED, str(failure))


def _mean(before: Figures, after: Figures, engine: str, stage: str) -> float | None:
    sums, counts = (
        after.total(f"voice_agents_latency_seconds_{part}", engine=engine, stage=stage)
        - before.total(f"voice_agents_latency_seconds_{part}", engine=engine, stage=stage)
        for part in ("sum", "count")
    )
    return sums / counts if counts else None
