"""Which twin stands for the base of each shipped recipe: of its architecture, as on the Hub."""

from collections.abc import Mapping

TWINS: Mapping[str, str] = {
    "gemma4-31b-lora": "gemma4",
    "gpt-oss-20b-lora": "gpt_oss_mxfp4",
    "llama3-3b-full": "llama_tied",
    "llama3-70b-lora": "llama",
    "llama3-70b-qlora": "llama",
    "llama3-8b-lora": "llama",
    "llama33-70b-lora": "llama",
    "nemotron35-30b-a3b-lora": "nemotron_h",
    "qwen3-8b-lora": "qwen3",
    "qwen35-9b-lora": "qwen3_5",
    "qwen36-35b-a3b-lora": "qwen3_5_moe",
    "qwen38-27b-lora": "qwen3_5",
}
