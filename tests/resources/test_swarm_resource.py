"""`swarm-resource` in config.toml: a line in, the line out, and always valid TOML."""

import tomllib

import pytest
from hypothesis import given

from orchestrator.errors import PreflightError
from orchestrator.facts.files import STOCK_CONFIG
from orchestrator.node.files import File
from orchestrator.resources.swarm_resource import SwarmResource, with_resource, without_resource
from orchestrator.testing.facts import stock_spark
from tests.support.strategies import runtime_configs

OURS = "DOCKER_RESOURCE_NVIDIA_GPU"
STOCK = STOCK_CONFIG.decode()


@given(runtime_configs())
def test_valid_toml_gains_exactly_our_name_at_the_top_level(text: str) -> None:
    before, after = tomllib.loads(text), tomllib.loads(with_resource(text, OURS))
    names = [n.strip() for n in after.pop("swarm-resource").split(",")]
    assert OURS in names
    had = [n.strip() for n in before.pop("swarm-resource", "").split(",") if n.strip()]
    assert names == [*had, OURS]
    assert after == before


@given(runtime_configs())
def test_twice_is_the_same_text(text: str) -> None:
    once = with_resource(text, OURS)
    assert with_resource(once, OURS) == once


@given(runtime_configs())
def test_taken_out_again_it_is_the_text_that_was(text: str) -> None:
    assert without_resource(with_resource(text, OURS), OURS, text) == text


@given(runtime_configs())
def test_what_the_user_adds_below_stays(text: str) -> None:
    added = "\n[added]\nkey = 1\n"
    assert without_resource(with_resource(text, OURS) + added, OURS, text) == text + added


def test_the_stock_line_is_replaced_where_it_stands() -> None:
    lines = with_resource(STOCK, OURS).splitlines()
    at = STOCK.splitlines().index('#swarm-resource = "DOCKER_RESOURCE_GPU"')
    assert lines[at] == f'swarm-resource = "{OURS}"'
    assert len(lines) == len(STOCK.splitlines())


def test_a_list_keeps_its_other_names() -> None:
    assert with_resource('swarm-resource = "A, B"\n', OURS) == f'swarm-resource = "A,B,{OURS}"\n'


@pytest.mark.parametrize("text", [f'swarm-resource = "{OURS}"\n', f'swarm-resource="A, {OURS}"\n'])
def test_what_is_there_already_is_left_alone(text: str) -> None:
    assert with_resource(text, OURS) == text


def test_a_key_inside_a_table_is_another_key() -> None:
    text = f'[nvidia-container-runtime]\nswarm-resource = "{OURS}"\n'
    after = tomllib.loads(with_resource(text, OURS))
    assert after["swarm-resource"] == OURS
    assert after["nvidia-container-runtime"] == {"swarm-resource": OURS}


def test_a_name_that_the_user_added_to_our_list_stays() -> None:
    edited = f'swarm-resource = "{OURS},DOCKER_RESOURCE_FPGA"\n'
    back = without_resource(edited, OURS, '#swarm-resource = "DOCKER_RESOURCE_GPU"\n')
    assert tomllib.loads(back) == {"swarm-resource": "DOCKER_RESOURCE_FPGA"}


def test_our_name_in_a_list_with_blanks_is_taken_out() -> None:
    edited = f'swarm-resource = "DOCKER_RESOURCE_FPGA, {OURS}"\n'
    back = without_resource(edited, OURS, 'swarm-resource = "DOCKER_RESOURCE_FPGA"\n')
    assert tomllib.loads(back) == {"swarm-resource": "DOCKER_RESOURCE_FPGA"}


def test_a_line_that_the_user_took_out_is_not_put_back() -> None:
    assert without_resource("disable-require = true\n", OURS, STOCK) == "disable-require = true\n"


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_quoted_key_is_the_same_key(quote: str) -> None:
    """A second line of it would be no TOML, and every NVIDIA container would fail."""
    text = f'disable-require = false\n{quote}swarm-resource{quote} = "A"\n\n[table]\nkey = 1\n'
    written = with_resource(text, OURS)
    assert tomllib.loads(written) == tomllib.loads(text) | {"swarm-resource": f"A,{OURS}"}
    assert without_resource(written, OURS, text) == text


@pytest.mark.parametrize(
    "text",
    [
        'swarm-resource = """A"""\n',
        '"swarm\\u002dresource" = "A"\n',
        'note = """\n#swarm-resource = "x"\n"""\n',
        "swarm-resource = [1]\n",
        "a = = 1\n",
    ],
)
def test_what_cannot_be_edited_safely_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        with_resource(text, OURS)


def test_an_edit_that_broke_the_file_is_told_by_name_on_the_way_back() -> None:
    resource = SwarmResource("spark-a", OURS)
    written = resource.desired({"spark-a": stock_spark()})
    assert written is not None
    broken = File(written["text"].encode() + b"a = = 1\n", "644", 0, 0)
    with pytest.raises(PreflightError, match="not valid TOML"):
        resource.reverted({"spark-a": stock_spark(runtime_config=broken)}, None, written)
