"""What stands for the base and the data of each shipped recipe in the lab: small, and like them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.hub.sets import cnn_dailymail, squad

TWINS: Mapping[str, str] = {
    "gemma4-31b-lora": "gemma4",
    "gpt-oss-20b-lora": "gpt_oss_mxfp4",
    "llama3-3b-full": "llama_tied",
    "llama3-70b-cnn-dailymail": "llama",
    "llama3-70b-lora": "llama",
    "llama3-70b-qlora": "llama",
    "llama3-8b-lora": "llama",
    "llama33-70b-lora": "llama",
    "my-chats-lora": "qwen2",
    "nemotron35-30b-a3b-lora": "nemotron_h",
    "qwen3-8b-lora": "qwen3",
    "qwen3-8b-squad": "qwen3",
    "qwen35-9b-lora": "qwen3_5",
    "qwen36-35b-a3b-lora": "qwen3_5_moe",
    "qwen38-27b-lora": "qwen3_5",
}
"""Of the architecture of the base, as on the Hub."""


def files_of(recipe: str) -> Mapping[str, str]:
    """Data files of a node, by name: rows in the columns that the recipe reads."""
    match recipe:
        case "llama3-70b-cnn-dailymail":
            return {"news.jsonl": _lines(cnn_dailymail(40))}
        case "qwen3-8b-squad":
            return {"questions.jsonl": _lines(squad(40))}
        case "my-chats-lora":
            return {"my-chats.jsonl": _lines(_chats(40)), "chat.jinja": _CHAT}
    return {}


def data_settings(recipe: str, folder: str) -> Sequence[str]:
    """Values of `training` which name them; `folder` is where a run sees them."""
    match recipe:
        case "llama3-70b-cnn-dailymail":
            return ("data.name=news.jsonl", "data.evaluation.name=news.jsonl")
        case "qwen3-8b-squad":
            return ("data.name=questions.jsonl", "data.evaluation.name=questions.jsonl")
        case "my-chats-lora":  # its name is the recipe's
            return (f"data.chat_template={folder}/chat.jinja",)
    return ("data.name=builtin:instructions",)


_CHAT = (
    "{% for turn in messages %}{{ turn.role }}: {{ turn.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def _chats(rows: int) -> Sequence[Mapping[str, Any]]:
    return [
        {
            "messages": [
                {"role": "user", "content": f"What is {n} and 1?"},
                {"role": "assistant", "content": f"It is {n + 1}."},
            ]
        }
        for n in range(rows)
    ]


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
