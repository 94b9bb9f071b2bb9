"""What a call sounds from: softer or silent at once, in a real browser, without a click."""

from __future__ import annotations

import numpy as np
import pytest

from tests.browser.helpers.chromium import PLAYED_RATE, VoicePage
from voice_agents.session.voice_session import DUCKED

pytestmark = pytest.mark.asyncio(loop_scope="session")

HERTZ = 200
PLAYS = """async ([hertz, steps]) => {
  const { Loudspeaker } = await import(new URL("page/static/loudspeaker.js", document.baseURI));
  const speaker = new Loudspeaker(48000);
  const tone = new OscillatorNode(speaker.context, { frequency: hertz });
  speaker.plays(tone);
  tone.start();
  const passed = async (seconds) => {
    const until = speaker.context.currentTime + seconds;
    while (speaker.context.currentTime < until) await new Promise((done) => setTimeout(done, 5));
  };
  await passed(0.4);
  for (const [name, ...values] of steps) {
    speaker[name](...values);
    await passed(0.6);
  }
  speaker.stop();
}"""


async def test_another_volume_and_a_moments_silence_are_heard_within_10_ms_and_without_a_click(
    voice_page: VoicePage,
) -> None:
    steps = [["setVolume", DUCKED], ["setVolume", 1], ["setVolume", DUCKED], ["hush"]]
    await voice_page.page.evaluate(PLAYS, [HERTZ, steps])
    tone = (await voice_page.played()) / 32768
    period = PLAYED_RATE // HERTZ
    tone = tone[np.flatnonzero(tone)[0] :]
    loudest = np.abs(tone[: len(tone) // period * period].reshape(-1, period)).max(axis=1)
    states = np.select([loudest > 0.95, np.abs(loudest - DUCKED) < 0.01, loudest < 0.01], [1, 2, 3])
    heard = states[np.flatnonzero(np.diff(states, prepend=0))]
    assert [state for state in heard.tolist() if state] == [1, 2, 1, 2, 3, 1]
    between = np.diff(np.flatnonzero(np.diff(np.pad(states == 0, 1).astype(int))))[::2]
    assert between.max() * period <= 0.02 * PLAYED_RATE, "from one to the next"
    assert 0.25 * PLAYED_RATE < np.count_nonzero(states == 3) * period < 0.35 * PLAYED_RATE
    steepest = 2 * np.pi / period + 1 / (0.002 * PLAYED_RATE)
    assert np.abs(np.diff(tone)).max() < 1.1 * steepest, "a click"
