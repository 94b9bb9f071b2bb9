"""How the agents are told to speak."""

from voice_agents.prompts import system_prompt


def test_the_rules_of_speech_come_first_and_the_own_instructions_last() -> None:
    plain = system_prompt()
    for rule in ("spoken aloud", "concise", "markdown", "bullet points", "numbers", "tools", "interrupted"):
        assert rule in plain
    assert system_prompt("  ") == plain
    own = system_prompt(" Talk like a pirate.\n")
    assert own.startswith(plain)
    assert own.endswith("\n\nTalk like a pirate.")
