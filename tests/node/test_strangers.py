"""What is in Docker and not ours: by label and name, from lines that anybody may have written."""

import pytest

from orchestrator.facts.strangers import (
    Stranger,
    our_services,
    strange_containers,
    strange_services,
    strange_things,
)

RUN = "tiny-llama-lora-0a1b2c"
SERVICES = [
    f"{RUN}_rank0 {RUN} {RUN}",
    f"{RUN}_rank10 {RUN} {RUN}",
    "shop_web shop -",
    "shop_db shop -",
    "alone - -",
    f"copied {RUN} {RUN}",  # a compose file with our label in it
    f"{RUN}_rank0x - {RUN}",
    f"{RUN}_rank1 - two words",
    "half a",
]


def test_a_service_is_ours_by_its_label_and_its_name() -> None:
    assert our_services(SERVICES) == (f"{RUN}_rank0", f"{RUN}_rank10")


def test_all_others_are_named_and_their_stacks_once() -> None:
    found = [(one.kind, one.name) for one in strange_services(SERVICES)]
    assert found == [
        ("stack", "shop"),
        ("stack", RUN),
        ("service", "shop_web"),
        ("service", "shop_db"),
        ("service", "alone"),
        ("service", "copied"),
        ("service", f"{RUN}_rank0x"),
        ("service", f"{RUN}_rank1"),
    ]


def test_secrets_configs_and_networks() -> None:
    lines = [f"secret {RUN}-HF_TOKEN {RUN}", "secret key -", f"config copied {RUN}", "network n -"]
    assert [(one.kind, one.name) for one in strange_things(lines)] == [
        ("secret", "key"), ("config", "copied"), ("network", "n"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/web always false i - -", Stranger("container", "web", "back")),
        ("/web unless-stopped false i - -", Stranger("container", "web", "back")),
        ("/try on-failure false i - -", Stranger("container", "try", "stopped")),
        ("/try no false i - -", Stranger("container", "try", "stopped")),
        ("/try no true i - -", Stranger("container", "try", "gone")),
        ("/copied no false i - x", Stranger("container", "copied", "stopped")),
        ("/shop_web.1.x no false i shop_web -", Stranger("task", "shop_web.1.x")),
        ("/board no true sparkctl/train:0a1b2c - tensorboard", None),
        ("/shell no true sparkctl/train:0a1b2c - -", Stranger("container", "shell", "gone")),
        (f"/{RUN}_rank0.1.x no false i {RUN}_rank0 {RUN}", None),
    ],
)
def test_a_container(line: str, expected: Stranger | None) -> None:
    assert list(strange_containers([line])) == ([] if expected is None else [expected])


def test_a_name_without_end_is_cut() -> None:
    (found,) = strange_things([f"secret {'x' * 5000} -"])
    assert len(found.name) == 100
