"""What docs/api.md promises: its Python client works as it is printed, and every message is explained."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from tests.test_floors import ROOT
from tests.transports.api.docs import API_DOC, printed
from tests.voices import RATE, flite, padded
from voice_agents.audio import read_wav, rms_dbfs, write_wav


async def test_the_python_client_gets_a_spoken_answer(live_api: str, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(printed("python"), encoding="utf-8")
    write_wav(tmp_path / "question.wav", padded(flite("What is seven times eight?"), 0.3, 0.3), RATE)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "client.py", f"ws://{live_api}/ws/sandwich", "question.wav",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert "You: What is seven times eight?" in out.decode()
    assert "fifty-six" in out.decode()
    pcm, rate = read_wav(tmp_path / "answer.wav")
    assert rate == 16_000
    assert len(pcm) > rate
    assert rms_dbfs(pcm) > -40


def test_every_message_stands_in_the_docs() -> None:
    source = (ROOT / "voice_agents" / "transports" / "api" / "dialects.py").read_text(encoding="utf-8")
    sent = set(re.findall(r'"type": "(\w+)"', source)) | {"stt_final", "stt_partial", "session"}
    assert {kind for kind in sent if f'"{kind}"' not in API_DOC.read_text(encoding="utf-8")} == set()
    assert len(sent) > 15
