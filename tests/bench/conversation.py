"""A scorecard of how the agents behave in a conversation: ``python -m tests.bench.conversation``.

The app with its offline providers in a process of its own; a scripted caller over the page's own transports. Both
sides are recorded as they sound and judged from the sound alone (see :mod:`tests.bench.scoring` for what is counted):

* ``L_R`` response latency, ``R_R`` response rate, ``L_Y`` yield latency, ``R_Y`` yield rate, ``I_A`` how often the
  agent begins while the user speaks, per turn; ``S_BC``, ``S_VT``, ``S_ND``: the share of "mm-hmm"s, of coughs and
  "um"s, and of speech meant for others that the agent was right to ignore. Latencies are means.
* false cut-offs: turns taken in a pause of 0.4 to 0.9 s within a sentence, and spoken over; stutters: gaps of more
  than 40 ms in the agent's sentence; overlaps: both talking for over 0.5 s; dead air: nobody for over 3 s.

``--hesitations 200`` asks only for false cut-offs, on virtual time, by kind of sentence. ``--voicebench`` lets the
package of that name run one session of the script through its own adapter and judge it.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from tests.bench import hesitations, scenario
from tests.bench.lines import RecordedPage, RecordedRtc, call, track
from tests.bench.phrases import own_app
from tests.bench.scenes import Material
from tests.bench.scoring import FEWEST, Meant, Said, Score, share
from tests.voices import RATE
from voice_agents.audio import Pcm, resample, write_wav

ENGINES, WAYS = ("sandwich", "realtime"), ("webrtc", "websocket")
SCENES = ("question", "hesitation", "murmurs", "twice", "early", "correction", "alone")
QUIET_S = 1.3
"""The agent has finished when it was not heard for so long."""
ANSWER_S, STORY_S = 8.0, 90.0
"""So long the caller waits for an answer, and for the end of one."""
LISTENS_S = 2.2
"""... and listens to a story between two murmurs."""
SETTLES_S = 2.5
"""After a sound that asks for no answer."""
LOOKS_S = 0.01


@dataclass
class Caller:
    """Follows the script, and notes what each sound was meant to be."""

    line: RecordedRtc | RecordedPage
    material: Material
    only: Sequence[str] = ()
    """Names of the scenes that are played; none: all."""
    said: list[tuple[Meant, float, float]] = field(default_factory=list)
    """With when it was sent, by the loop's clock."""

    async def say(self, meant: Meant, pcm: Pcm) -> float:
        """When its last sample was sent."""
        first, last = await self.line.say(pcm)
        self.said.append((meant, first, max(last, first + len(pcm) / RATE)))
        return last

    async def answer(self, since: float) -> bool:
        """Wait for sound later than ``since``; false: none came in time."""
        return await self._wait(lambda: self.line.last_sound > since, ANSWER_S)

    async def quiet(self) -> None:
        """Wait until the agent has finished."""
        loop = asyncio.get_running_loop()
        await self._wait(lambda: loop.time() - self.line.last_sound > QUIET_S, STORY_S)

    async def ask(self, pcm: Pcm) -> bool:
        """A turn; false: nobody answered."""
        return await self.answer(await self.say(Meant.TURN, pcm))

    async def exchange(self, pcm: Pcm) -> None:
        """A turn and its whole answer."""
        await self.ask(pcm)
        await self.quiet()

    async def _wait(self, holds: Callable[[], bool], at_most_s: float) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + at_most_s
        while not holds():
            if loop.time() > until:
                return False
            await asyncio.sleep(LOOKS_S)
        return True

    # Scenes

    async def question(self) -> None:
        await self.exchange(self.material.turn("question"))

    async def hesitation(self) -> None:
        await self.exchange(self.material.hesitation())

    async def correction(self) -> None:
        await self.exchange(self.material.turn("correction"))

    async def murmurs(self) -> None:
        """A story, "mm-hmm"s and coughs and others' talk while it is told, and a late interruption."""
        material = self.material
        sounds = {Meant.BACKCHANNEL: material.backchannel, Meant.TIC: material.tic, Meant.ASIDE: material.aside}
        if await self.ask(material.story()):
            for meant in (*sounds, *sounds, *sounds, *sounds):
                await asyncio.sleep(LISTENS_S)
                if not await self._wait(self._sounding, ANSWER_S / 2):
                    await self.ask(material.story())  # it was given up for the last one
                    await asyncio.sleep(LISTENS_S)
                await self.say(meant, sounds[meant]())
            await asyncio.sleep(LISTENS_S)
            await self.ask(material.turn("cut in"))
        await self.quiet()

    async def early(self) -> None:
        """An interruption in the first second of a story."""
        if await self.ask(self.material.story()):
            await asyncio.sleep(0.6)
            await self.ask(self.material.turn("cut in"))
        await self.quiet()

    async def twice(self) -> None:
        """Two quick interruptions, the second as soon as the first is answered."""
        if await self.ask(self.material.story()):
            await asyncio.sleep(2.0)
            if await self.ask(self.material.turn("cut in")):
                await asyncio.sleep(0.3)
                await self.ask(self.material.turn("cut in"))
        await self.quiet()

    async def alone(self) -> None:
        """A cough and talk to somebody else while nobody speaks."""
        for meant, sound in ((Meant.TIC, self.material.tic), (Meant.ASIDE, self.material.aside)):
            await self.say(meant, sound())
            await asyncio.sleep(SETTLES_S)
            await self.quiet()

    def _sounding(self) -> bool:
        return asyncio.get_running_loop().time() - self.line.last_sound < 0.1

    @property
    def scenes(self) -> Sequence[Callable[[], Awaitable[None]]]:
        once = (self.question, self.hesitation, self.murmurs, self.twice, self.hesitation, self.early, self.correction)
        everything = (*once, self.hesitation, self.twice, self.alone, self.hesitation, self.early)
        return [scene for scene in everything if not self.only or scene.__name__ in self.only]


async def conversation(url: str, engine: str, way: str, options: argparse.Namespace) -> Score:
    """One call of so many minutes or turns of the user, whichever comes first; its recordings are kept on request."""
    loop, score, material = asyncio.get_running_loop(), Score(), Material()
    async with call(url, engine, way) as line:
        caller, seconds = Caller(line, material, options.only), 60 * options.minutes
        began = loop.time()
        await asyncio.sleep(1.0)
        number = 0
        while loop.time() - began < seconds and sum(meant is Meant.TURN for meant, _, _ in caller.said) < options.turns:
            await caller.scenes[number % len(caller.scenes)]()
            number += 1
        length_s = loop.time() - began
        user, agent = (
            track(pieces, rate, began, length_s)
            for pieces, rate in ((line.user, line.user_rate), (line.agent, line.agent_rate))
        )
        said = [Said(meant, first - began, last - began) for meant, first, last in caller.said]
        if options.keep is not None:
            keep_call(options.keep / f"{engine}-{way}", said, user, agent, line.user_rate, line.agent_rate)
        score.add(said, user, agent, line.user_rate, line.agent_rate)
    return score


def keep_call(path: Path, said: Sequence[Said], user: Pcm, agent: Pcm, user_rate: int, agent_rate: int) -> None:
    """A WAV of each side and what was meant, to listen to what was counted."""
    path.mkdir(parents=True, exist_ok=True)
    for name, pcm, rate in (("user", user, user_rate), ("agent", agent, agent_rate)):
        write_wav(path / f"{name}.wav", resample(pcm, rate, RATE), RATE)
    lines = (f"{each.from_s:.2f}\t{each.to_s:.2f}\t{each.meant}\n" for each in said)
    (path / "labels.txt").write_text("".join(lines), encoding="utf-8")


async def early_account(url: str, engine: str) -> dict[str, float]:
    """What answers begun early brought and cost since the app was started."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{url}/metrics")).raise_for_status().text
    account = {"used": 0.0, "dropped": 0.0, "saved_seconds": 0.0, "tokens": 0.0, "characters": 0.0}
    for name, labels, value in re.findall(r"^voice_agents_early_(\w+)_total\{(.*)\} (\S+)$", text, re.MULTILINE):
        if f'engine="{engine}"' in labels:
            found = re.search(r'outcome="(\w+)"', labels)
            account[found[1] if found else name] += float(value)
    return account


def mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f}" if len(values) >= FEWEST else "-"


def rate(events: Sequence[bool]) -> str:
    value = share(events)
    return "-" if value is None else f"{value:.2f}"


def figures(score: Score) -> dict[str, str]:
    """The columns of the published table."""
    by_agent = f"{score.interruptions_by_agent / score.turns:.2f}" if score.turns >= FEWEST else "-"
    murmurs = {f"S_{name}": rate(score.ignored[meant]) for name, meant in _MURMURS}
    return {
        "L_R": mean(score.responses), "L_Y": mean(score.yields), "R_R": rate(score.answered),
        "R_Y": rate(score.yielded), "I_A": by_agent, **murmurs,
    }  # fmt: skip


_MURMURS = (("BC", Meant.BACKCHANNEL), ("VT", Meant.TIC), ("ND", Meant.ASIDE))


def show(name: str, score: Score, account: dict[str, float]) -> None:
    """Everything of one call."""
    counts: dict[str, Sequence[float]] = {
        "L_R": score.responses, "L_Y": score.yields, "R_R": score.answered, "R_Y": score.yielded,
        **{f"S_{short}": score.ignored[meant] for short, meant in _MURMURS},
    }  # fmt: skip
    print(f"\n{name}: {score.turns} turns, the agent spoke for {score.agent_s:.0f} s")
    for column, value in figures(score).items():
        of = len(counts[column]) if column in counts else score.turns
        more = ""
        if column in ("L_R", "L_Y") and of >= FEWEST:
            middle, high = np.percentile(np.array(counts[column]), [50, 95])
            more = f"  median {middle:.2f}, p95 {high:.2f}"
        print(f"  {column:4} {value:>6}  of {of}{more}")
    print(f"  false cut-offs {rate(score.hesitations)} ({sum(score.hesitations)} of {len(score.hesitations)})")
    for pause_s, after_s in score.cut_off:
        print(f"    a pause of {pause_s:.2f} s, the agent began after {after_s:.2f}")
    a_minute = f"{score.stutters / score.agent_s * 60:.1f}" if score.agent_s else "-"
    print(f"  stutters {a_minute} a minute of the agent's speech ({score.stutters})")
    begun = f"the agent began {score.overlaps_by_agent} of them, the others are interruptions of it"
    print(f"  overlaps over 0.5 s {len(score.overlaps)} ({begun}), dead air over 3 s {score.dead_air}")
    print(
        f"  begun early: {account['used']:.0f} used, {account['dropped']:.0f} dropped, "
        f"{account['saved_seconds'] * 1000:.0f} ms saved in all, for nothing {account['tokens']:.0f} tokens "
        f"and {account['characters']:.0f} characters",
        flush=True,
    )


def markdown(name: str, score: Score) -> str:
    """A row of the README's table."""
    return f"| {name} | " + " | ".join(figures(score).values()) + " |"


async def through_voicebench(options: argparse.Namespace) -> None:
    """One session of each engine, scored by the package."""
    async with own_app() as url:
        for engine in options.engine:
            await scenario.run(options.url or url, engine)


async def main(options: argparse.Namespace) -> None:
    """Call after call, each of an app of its own."""
    rows = []
    for engine in options.engine:
        for way in options.transport:
            async with own_app() as url:
                score = await conversation(options.url or url, engine, way, options)
                show(f"{engine} over {way}", score, await early_account(options.url or url, engine))
            rows.append(markdown(f"{engine.capitalize()}, {way}", score))
    if options.markdown:
        print("\n" + "\n".join(rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=ENGINES, action="append", help="default: both")
    parser.add_argument("--transport", choices=WAYS, action="append", help="default: both")
    parser.add_argument("--minutes", type=float, default=8.0, help="of each call (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=1000, help="of the user at most, in each call")
    parser.add_argument("--only", nargs="+", default=(), choices=SCENES, help="scenes (default: all)")
    parser.add_argument("--markdown", action="store_true", help="print the rows of the README's table, too")
    parser.add_argument("--keep", type=Path, help="a folder for the recordings of both sides")
    parser.add_argument("--url", default="", help="an app that is served already")
    parser.add_argument("--hesitations", type=int, default=0, help="only so many hesitating sentences, on virtual time")
    parser.add_argument("--voicebench", action="store_true", help="one session through the package voicebench instead")
    chosen = parser.parse_args()
    chosen.engine, chosen.transport = chosen.engine or list(ENGINES), chosen.transport or list(WAYS)
    if chosen.hesitations:
        hesitations.main(chosen.hesitations)
    else:
        asyncio.run(through_voicebench(chosen) if chosen.voicebench else main(chosen))
