"""How an instruction and its input become a prompt."""

# The prompts that the alpaca data was made for (tatsu-lab/stanford_alpaca, README).
_ALPACA_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
_ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n\n### Instruction:\n{instruction}\n\n### Response:\n"
)


def alpaca_prompt(instruction: str, given: str, template: str) -> str:
    """`template`: `alpaca`, or `plain` for just their own lines."""
    if template == "plain":
        return "".join(f"{text}\n" for text in (instruction, given) if text)
    wording = _ALPACA_WITH_INPUT if given else _ALPACA
    return wording.format(instruction=instruction, input=given)
