"""What of a chat server's text is spoken: the answer, however the text is cut, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from hypothesis import given

from tests.chance import SEEDS
from voice_agents.providers.answer_filter import AnswerFilter
from voice_agents.providers.written_calls import WrittenCall

TIME = WrittenCall("get_time", '{"city": "Paris"}')
PARIS = '"arguments": {"city": "Paris"}'
REASONING = {
    "DeepSeek-R1, Qwen3": "<think>The user says hi.\n2 < 3.</think>\n\nHello there.",
    "upper case": "<THINK>hm</THINK>Hello there.",
    "an empty one": "<think>\n\n</think>\n\nHello there.",
    "Claude's word": "<thinking>hm</thinking>Hello there.",
    "reasoning": "<reasoning>hm</reasoning>Hello there.",
    "thought": "<thought>hm</thought>Hello there.",
    "reflection": "<reflection>hm</reflection>Hello there.",
    "Seed-OSS": "<seed:think>hm</seed:think>Hello there.",
    "Magistral": "[THINK]hm[/THINK]Hello there.",
    "Kimi": "◁think▷hm◁/think▷Hello there.",
    "OpenThinker": "<|begin_of_thought|>hm<|end_of_thought|>Hello there.",
    "Command A": "<|START_THINKING|>hm<|END_THINKING|>Hello there.",
    "gpt-oss": "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hello there.",
    "gpt-oss, the answer alone": "<|channel|>final<|message|>Hello there.",
    "twice": "<think>hm</think>Hello <think>well</think>there.",
    "opened by the template": "The city is Paris.</think>\n\nHello there.",
    "thought over once more": "<think>hm</think>Wait, once more.</think>Hello there.",
    "Gemma 4": "<|channel>thought\nhm<channel|>Hello there.<turn|>",
    "Gemma 4, opened": "thought\nhm<channel|>Hello there.",
    "Kimi K3": "<|open|>think<|sep|>hm<|close|>think<|sep|><|open|>response<|sep|>Hello there.<|close|>response<|sep|>",
    "Hunyuan": "<think>\nhm</think>\n<answer>\nHello there.\n</answer>",
    "ERNIE": "<think>\nhm</think>\n\n<response>\nHello there.\n</response>\n",
    "Granite": "Here is my thought process:\nhm\nHere is my response:\nHello there.",
    "MiniMax M3": "<mm:think>hm</mm:think>Hello there.",
    "Apertus": "<|inner_prefix|>hm<|inner_suffix|>Hello there.<|assistant_end|>",
    "Solar": "<|think:start|>hm<|think:end|>Hello there.",
    "Inkling": "<|message_model|><|content_thinking|>hm<|end_message|><|message_model|><|content_text|>Hello there.",
    "Hermes": "<scratch_pad>\nhm\n</scratch_pad>\nHello there.",
    "LongCat": "<longcat_think>\nhm</longcat_think>\nHello there.",
    "with an attribute": '<thinking duration="3">hm</thinking>Hello there.',
    "Open WebUI": '<details type="reasoning" done="true">\n<summary>Thought</summary>\n> hm</details>\nHello there.',
    "gpt-oss, a preamble": "<|channel|>commentary<|message|>Hello there.",
    "gpt-oss, to itself first": "<|channel|>commentary to=assistant<|channel|>analysis<|message|>hm<|end|>"
    "<|start|>assistant<|channel|>final<|message|>Hello there.",
    "gpt-oss, its tokens left out": "analysisThe user says hi.assistantfinalHello there.",
    "LLM-jp": "<|channel|> analysis<|message|> hm<|end|><|start|> assistant<|channel|> final<|message|> Hello there.",
    "to itself and to the user": " to=self<|message|>hm<|eom|><|start|>assistant to=user<|message|>Hello there.<|eot|>",
    "ReAct": "Thought: hm\nFinal Answer: Hello there.",
    "Functionary": ">>>all\nHello there.",
}
CONTROL = {
    "ChatML": "<|im_start|>assistant\nHello there.<|im_end|>",
    "Llama 3": "<|start_header_id|>assistant<|end_header_id|>\n\nHello there.<|eot_id|>",
    "Llama 2": "[/INST] Hello there.</s>",
    "Gemma": "<start_of_turn>model\nHello there.<end_of_turn>",
    "GPT-2": "Hello there.<|endoftext|>",
    "DeepSeek": "Hello there.<｜end▁of▁sentence｜>",
    "Phi": "Hello there.<|end|>",
    "Command R": "<|CHATBOT_TOKEN|>Hello there.<|END_OF_TURN_TOKEN|>",
    "Command A": "<|START_TEXT|>Hello there.<|END_TEXT|>",
    "Kimi's end": "Hello there.[EOS]",
    "GigaChat": "Hello there.<|message_sep|>\n\n",
    "Gemma 4": "Hello there.<turn|>",
    "Mistral": "<s>Hello there.</s>",
}
CALLS = {
    "Qwen, Hermes": f'<tool_call>\n{{"name": "get_time", {PARIS}}}\n</tool_call>',
    "in a list": f'<tool_calls>[{{"name": "get_time", {PARIS}}}]</tool_calls>',
    "Llama 3.1": '<function=get_time>{"city": "Paris"}</function>',
    "Llama 3.2": '{"name": "get_time", "parameters": {"city": "Paris"}}',
    "Llama's python": f'<|python_tag|>{{"name": "get_time", {PARIS}}}<|eom_id|>',
    "Mistral": f'[TOOL_CALLS][{{"name": "get_time", {PARIS}}}]',
    "Command A": '<|START_ACTION|>[{"tool_name": "get_time", "parameters": {"city": "Paris"}}]<|END_ACTION|>',
    "fenced": f'```json\n{{"name": "get_time", {PARIS}}}\n```',
    "fenced as a call": f'```tool_call\n{{"name": "get_time", {PARIS}}}\n```',
    "OpenAI's shape": '{"function": {"name": "get_time", "arguments": "{\\"city\\": \\"Paris\\"}"}}',
    "encoded twice": '{"name": "get_time", "arguments": "\\"{\\\\\\"city\\\\\\": \\\\\\"Paris\\\\\\"}\\""}',
    "gpt-oss": '<|channel|>commentary to=functions.get_time <|constrain|>json<|message|>{"city": "Paris"}<|call|>',
    "with reasoning before": f'<think>I need it.</think>\n<tool_call>{{"name": "get_time", {PARIS}}}</tool_call>',
    "never ended": f'<tool_call>{{"name": "get_time", {PARIS}}}',
    "a bare list": f'[{{"name": "get_time", {PARIS}}}]',
    "another case": f'{{"name": "Get_Time", {PARIS}}}',
    "LM Studio": f'[TOOL_REQUEST]{{"name": "get_time", {PARIS}}}[END_TOOL_REQUEST]',
    "Qwen3-Coder": "<tool_call>\n<function=get_time>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>",
    "Qwen3-Coder, bare": "<function=get_time>\n<parameter=city>\nParis\n</parameter>\n</function>",
    "GLM": "<tool_call>get_time\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call>",
    "Kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_time:0<|tool_call_argument_begin|>"
    '{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>',
    "DeepSeek-R1": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```json\n"
    '{"city": "Paris"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "DeepSeek-V3.1": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_time<｜tool▁sep｜>"
    '{"city": "Paris"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "DeepSeek-V3.2": '<｜DSML｜function_calls><invoke name="get_time"><parameter name="city" string="true">Paris'
    "</parameter></invoke></｜DSML｜function_calls>",
    "MiniMax": '<minimax:tool_call>\n<invoke name="get_time">\n<parameter name="city">Paris</parameter>\n</invoke>\n'
    "</minimax:tool_call>",
    "LFM2": '<|tool_call_start|>[get_time(city="Paris")]<|tool_call_end|>',
    "Llama 4": '[get_time(city="Paris")]',
    "Gemma": "<start_function_call>call:get_time{city:<escape>Paris<escape>}<end_function_call>",
    "Nemotron": f'<TOOLCALL>[{{"name": "get_time", {PARIS}}}]</TOOLCALL>',
    "Mistral Small 3.2": '[TOOL_CALLS]get_time[ARGS]{"city": "Paris"}',
    "Mistral over several lines": '[TOOL_CALLS][\n  {\n    "name": "get_time",\n    "arguments": {\n     '
    ' "city": "Paris"'
    "\n    }\n  }\n]",
    "Gemma 4": '<|tool_call>call:get_time{city:<|"|>Paris<|"|>}<tool_call|>',
    "Gemma 4, another end": '<|tool_call>:call:get_time{city:<|"|>Paris<|"|>}<turn|>',
    "Gemma 4, bare": '<|channel>thought\nhm<channel|>call:get_time{city:<|"|>Paris<|"|>}',
    "Kimi K3": '<|open|>tools<|sep|><|open|>call tool="get_time" index="1"<|sep|><|open|>argument key="city"'
    ' type="string"'
    "<|sep|>Paris<|close|>argument<|sep|><|close|>call<|sep|><|close|>tools<|sep|>",
    "Kimi, while it thinks": "<think>hm<|tool_calls_section_begin|><|tool_call_begin|>functions.get_time:0"
    '<|tool_call_argument_begin|>{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>',
    "Qwen, while it thinks": "<think>\nhm\n<tool_call>\n<function=get_time>\n<parameter=city>\nParis\n</parameter>\n"
    "</function>\n</tool_call>",
    "thought of, then made": '<think>a <|tool_call_start|>[get_time(city="Rome")]<|tool_call_end|>?</think>'
    '<|tool_call_start|>[get_time(city="Paris")]<|tool_call_end|>',
    "Qwen3-Coder, its end alone": "<function=get_time>\n<parameter=city>\nParis\n</parameter>\n</function>\n"
    "</tool_call>",
    "Qwen-Agent": '✿FUNCTION✿: get_time\n✿ARGS✿: {"city": "Paris"}\n✿RESULT✿',
    "DeepSeek-V4": '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_time">\n<｜DSML｜parameter name="city" '
    'string="true">Paris</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>',
    "Step": '<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="get_time">'
    '<steptml:parameter name="city">Paris</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_calls_end｜>',
    "MiniMax M3": ']<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="get_time">]<]minimax[>[<city>Paris]<]minimax[>['
    "</city>]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>",
    "Seed-OSS": "<seed:tool_call>\n<function=get_time>\n<parameter=city>Paris</parameter>\n</function>\n"
    "</seed:tool_call>",
    "LongCat": "<longcat_tool_call>get_time\n<longcat_arg_key>city</longcat_arg_key>\n<longcat_arg_value>Paris"
    "</longcat_arg_value>\n</longcat_tool_call>",
    "MiniCPM": '<function name="get_time"><param name="city">Paris</param></function>',
    "Apertus": '<|tools_prefix|>[{"get_time": {"city": "Paris"}}]<|tools_suffix|>',
    "Solar": "<|tool_call:start|>get_time\n<|tool_arg:start|>city<|tool_arg:value|>Paris<|tool_arg:end|>\n"
    "<|tool_call:end|>",
    "GigaChat": f'<|message_sep|>\n\nfunction call<|role_sep|>\n{{"name": "get_time", {PARIS}}}</s>',
    "InternLM": '<|action_start|><|plugin|>{"name": "get_time", "parameters": {"city": "Paris"}}<|action_end|>',
    "Phi-4": f'functools[{{"name": "get_time", {PARIS}}}]',
    "Functionary": '>>>get_time\n{"city": "Paris"}',
    "Command R": 'Action:\n```json\n[{"tool_name": "get_time", "parameters": {"city": "Paris"}}]\n```',
    "ReAct": 'Thought: hm\nAction: get_time\nAction Input: {"city": "Paris"}\n',
    "Llama's python, called": '<|python_tag|>get_time.call(city="Paris")<|eom_id|>',
    "Gemma, printed": '```tool_code\nprint(default_api.get_time(city="Paris"))\n```',
    "an answer that holds the calls": f'{{"tool_calls": [{{"function": {{"name": "get_time", {PARIS}}}}}]}}',
    "gpt-oss, to whom comes first": ' to=functions.get_time<|channel|>analysis<|message|>{"city": "Paris"}',
    "gpt-oss, its tokens left out": 'analysisHm.assistantcommentary to=functions.get_time json{"city": "Paris"}',
    "with a result made up": f'<tool_call>{{"name": "get_time", {PARIS}}}</tool_call><tool_response>5</tool_response>',
    "Mistral with an id": '[TOOL_CALLS]get_time[CALL_ID]123456789[ARGS]{"city": "Paris"}',
}
PLAIN = [
    "Is 2 < 3 and 4 > 1? Yes, a<b.",
    "I <3 you.",
    "Use <b>bold</b> or a <br> tag.",
    "See [1] and [2].",
    "Here is `code` and\n```python\nprint(1)\n```\nThat is all.",
    'Here:\n```json\n{"a": 1}\n```\nThat is all.',
    "The set {1, 2} has two, a{b}.",
    "Think of <thin> air, <thi",
    "A pipe <| is no token, nor |> this.",
    "[THIN] ice, [INSTALL] it.",
    "Ends with <",
    '{"mood": "fine"}',
    "[note(1)] See below.",
    "[Laughs] Well.",
    "Call f(x) or get_time(city).",
    "All of them came: all\nfive.",
    "Here is my answer: fine.",
    "Thought leaders agree. Action: none.",
    "Analysis: it rose. He said >>> stop.",
    "Write vector<int> x, a->b, a <- b; array[i]]<c.",
    "Think of a <number> below 10.",
    "Call: get some rest.",
]
ALL = [*REASONING.values(), *CONTROL.values(), *CALLS.values(), *PLAIN]


def filtered(*pieces: str, opened: bool = False) -> tuple[str, list[WrittenCall]]:
    """What is told of it, without what was taken back."""
    answer, text = AnswerFilter(["get_time", "save_note"], opened=opened), ""
    steps: list[Callable[[], str]] = [*(partial(answer.feed, piece) for piece in pieces), answer.flush]
    for step in steps:
        ends = answer.lone_ends
        more = step()
        text = more if answer.lone_ends > ends else text + more
    return text, answer.calls


def cut(text: str, chance: random.Random, longest: int = 7) -> Sequence[str]:
    pieces = []
    while text:
        size = chance.randint(1, longest)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.mark.parametrize("text", [*REASONING.values(), *CONTROL.values()], ids=[*REASONING, *CONTROL])
def test_reasoning_and_control_tokens_are_not_said(text: str) -> None:
    assert filtered(text)[0].strip() == "Hello there."


@pytest.mark.parametrize("text", CALLS.values(), ids=CALLS.keys())
def test_a_call_that_is_written_is_made_and_not_said(text: str) -> None:
    assert filtered(text) == ("", [TIME])


@pytest.mark.parametrize("text", PLAIN)
def test_what_only_looks_like_it_is_said(text: str) -> None:
    assert filtered(text) == (text, [])


def test_a_call_of_a_tool_that_is_not_known_is_said_where_it_may_be_an_example() -> None:
    text = '```json\n{"name": "rm", "arguments": {}}\n```'
    assert filtered(text) == (text, [])
    assert filtered('<tool_call>{"name": "rm"}</tool_call>') == ("", [])


@given(SEEDS)
def test_however_it_is_cut_the_same_comes_out(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        text = "".join(
            chance.choice([*ALL, "hello ", "<", "> ", "```", "\n", "["]) for _ in range(chance.randint(1, 4))
        )
        assert filtered(*cut(text, chance)) == filtered(text), text


def test_nothing_is_held_back_of_a_plain_answer() -> None:
    answer = AnswerFilter(["get_time"])
    tokens = ["Hello", " there", ",", " it", " is", " 5", " <", " 6", "."]
    assert [answer.feed(token) for token in tokens] == ["Hello", " there", ",", " it", " is", " 5", " ", "< 6", "."]


def test_a_server_that_opens_the_reasoning_itself_is_known_by_its_end() -> None:
    answer = AnswerFilter()
    answer.feed("The user says hi.</think>Hello there.")
    assert answer.lone_ends == 1
    assert filtered("The user ", "says hi.</thi", "nk>\n\nHello there.", opened=True)[0] == "Hello there."
    assert filtered("Hello ", "there.", opened=True)[0] == "Hello there.", "this time it did not"


def test_two_thousand_random_cuts_lose_nothing_and_keep_the_order() -> None:
    """What the issue asks for, with one seed, so that it is the same everywhere."""
    chance, words, told = random.Random(17), [f"word{number}" for number in range(5000)], list[str]()
    for number in range(2000):
        parts = list[str]()
        for _ in range(chance.randint(1, 5)):
            parts.append(chance.choice([*ALL, "hello ", " < ", "> ", "```", "\n", "[", "<thi", "\u25c1"]))
            parts.append(f" {words[(number * 7 + len(parts)) % 5000]} ")
        text = "".join(parts)
        whole = filtered(text)
        assert filtered(*cut(text, chance, chance.choice([1, 3, 7, 30]))) == whole, text
        told = whole[0].split()
        kept = [word for word in text.split() if word.startswith("word") and word in told]
        assert [word for word in told if word.startswith("word")] == kept, "in order"
