"""Values between marks: as they were, whatever is in them."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator import assets
from orchestrator.facts.protocol import decode, encode
from orchestrator.node.local import LocalConnection

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.dictionaries(NAMES, st.binary(max_size=60)))
def test_values_survive_the_way(values: dict[str, bytes]) -> None:
    assert decode(encode(values)) == values


def test_a_value_that_looks_like_structure_is_a_value() -> None:
    """Also a name, which may be that of a file that a container has made."""
    mark = "0" * 8 + "-0000" * 3 + "-" + "0" * 12
    forged = f"\n{mark} two {mark}\nyes"
    script = f"""{assets.text("templates/fact.sh")}
fact one; printf '{forged}\\000\\377'
fact 'a
b'; echo line
fact empty
fact one/more; printf '\\nthree'
"""
    done = LocalConnection().run(script, b"", deadline=30)
    assert decode(done.stdout) == {
        "one": f"{forged}\0".encode() + b"\xff",
        "a\nb": b"line\n",
        "empty": b"",
        "one/more": b"\nthree",
    }
