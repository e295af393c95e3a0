"""The chat templates that trl ships, as files: those of models, and trl's own with marks."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

_SPEC = find_spec("trl")
_PLACES = (_SPEC.submodule_search_locations if _SPEC else None) or ()

SOURCES: dict[str, str] = {
    file.stem: file.read_text(encoding="utf-8")
    for place in _PLACES
    for file in sorted(Path(place, "chat_templates").glob("*.jinja"))
}
"""By name; empty where trl is not installed."""

_TIDE = {
    "type": "function",
    "function": {
        "name": "tide",
        "description": "tide table",
        "parameters": {
            "type": "object",
            "properties": {"port": {"type": "string", "description": "where"}},
        },
    },
}
_CALL = {
    "id": "k1",
    "type": "function",
    "function": {"name": "tide", "arguments": {"port": "부산"}},
}

_TALK = [
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "First answer."},
    {"role": "user", "content": "Two?"},
    {"role": "assistant", "content": "Second answer."},
]

SHAPES: dict[str, dict[str, Any]] = {
    "chat": {"messages": _TALK},
    "system": {"messages": [{"role": "system", "content": "Be brief."}, *_TALK]},
    "tools": {
        "messages": [
            {"role": "user", "content": "When is high tide?"},
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "I must look.",
                "tool_calls": [_CALL],
            },
            {"role": "tool", "tool_call_id": "k1", "name": "tide", "content": "03:10"},
            {"role": "assistant", "content": "At three.", "reasoning_content": "It says 03:10."},
        ],
        "tools": [_TIDE],
    },
}
"""Rows: OpenAI's turns, and turns with tools and thoughts."""

_STOPS = {
    "cohere": ("<|END_OF_TURN_TOKEN|>",),
    "deepseek": ("<｜end▁of▁sentence｜>",),
    "diffusion_gemma": ("<eos>", "<turn|>", "<|tool_response>"),
    "gemma": ("<eos>", "<end_of_turn>"),
    "gemma4": ("<eos>", "<turn|>", "<|tool_response>"),
    "glm4moe": ("<|endoftext|>", "<|user|>", "<|observation|>"),
    "gptoss": ("<|return|>", "<|endoftext|>", "<|call|>"),
    "idefics3": ("<end_of_utterance>",),
    "lfm2": ("<|im_end|>",),
    "llama3": ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
    "llava": ("</s>",),
    "muse_glimmer": ("<|eot|>",),
    "nemotron": ("<|im_end|>",),
    "phi3": ("<|endoftext|>", "<|assistant|>", "<|end|>"),
    "qwen": ("<|endoftext|>", "<|im_end|>"),
    "smolvlm": ("<end_of_utterance>",),
}
"""By how a template's name begins: the stop tokens of its models' generation_config.json, the one
that is the tokenizer's eos first."""


def stops_of(name: str) -> tuple[str, ...]:
    return _STOPS[max((start for start in _STOPS if name.startswith(start)), key=len)]


def special_tokens_of(name: str) -> dict[str, str]:
    return {"bos_token": "<BOS>", "eos_token": stops_of(name)[0]}
