"""What ``session.update`` and ``response.create`` may contain in GA.

Names, values and ranges are those of the vendor's SDK (``openai.types.realtime``).
"""

from __future__ import annotations

from voice_agents.offline.realtime.schema import (
    Check,
    anything,
    array,
    choice,
    either,
    fields,
    flag,
    integer,
    mapping,
    number,
    optional,
    plain_or_object,
    tagged,
    text,
)
from voice_agents.offline.realtime.vad import Eagerness

_format = tagged(
    {
        "audio/pcm": fields({"type": text, "rate": choice(24_000)}),
        "audio/pcmu": fields({"type": text}),
        "audio/pcma": fields({"type": text}),
    }
)
_server_vad = fields(
    {
        "type": text,
        "threshold": number(0.0, 1.0),
        "prefix_padding_ms": integer(0),
        "silence_duration_ms": integer(0),
        "idle_timeout_ms": optional(integer(5_000, 30_000)),
        "create_response": flag,
        "interrupt_response": flag,
    }
)
_semantic_vad = fields(
    {"type": text, "eagerness": choice(*Eagerness), "create_response": flag, "interrupt_response": flag}
)
_transcription = fields(
    {"model": text, "language": optional(text), "prompt": optional(text)}
    | {"delay": anything, "keywords": array(text), "languages": array(text)}
)
_noise_reduction = fields({"type": choice("near_field", "far_field"), "strength": number(0.0, 10.0)})
_voice = plain_or_object(text, fields({"id": text}, ["id"]))
_tool = tagged(
    {
        "function": fields(
            {"type": text, "name": text, "description": optional(text), "parameters": optional(mapping)}, ["name"]
        )
    }
)
_tool_choice = plain_or_object(
    choice("auto", "none", "required"), tagged({"function": fields({"type": text, "name": text})})
)
_tokens = either(choice("inf"), integer(1, 4096))
_modalities = array(choice("text", "audio"))
_output = {"format": _format, "voice": _voice}

_SHARED: dict[str, Check] = {
    "output_modalities": _modalities,
    "instructions": text,
    "tools": array(_tool),
    "tool_choice": _tool_choice,
    "max_output_tokens": _tokens,
    "parallel_tool_calls": flag,
    "reasoning": optional(fields({"effort": choice("minimal", "low", "medium", "high", "xhigh")})),
    "prompt": optional(mapping),
}
_audio = fields(
    {
        "input": fields(
            {
                "format": _format,
                "noise_reduction": optional(_noise_reduction),
                "transcription": optional(_transcription),
                "turn_detection": optional(tagged({"server_vad": _server_vad, "semantic_vad": _semantic_vad})),
            }
        ),
        "output": fields(_output | {"speed": number(0.25, 1.5)}),
    }
)
_truncation = plain_or_object(
    choice("auto", "disabled"),
    tagged({"retention_ratio": fields({"type": text, "retention_ratio": number(0.0, 1.0), "token_limits": mapping})}),
)
SESSION = tagged(
    {
        "realtime": fields(
            _SHARED
            | {
                "type": text,
                "model": text,
                "audio": _audio,
                "include": optional(array(choice("item.input_audio_transcription.logprobs"))),
                "tracing": optional(plain_or_object(choice("auto"), mapping)),
                "truncation": _truncation,
            }
        )
    }
)
RESPONSE = fields(
    _SHARED
    | {
        "audio": fields({"output": fields(_output)}),
        "conversation": choice("auto", "none"),
        "input": array(mapping),
        "metadata": optional(mapping),
    }
)
