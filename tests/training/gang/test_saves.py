"""Which saves of a script are complete, and what other ranks get of rank 0's."""

import base64
from pathlib import Path
from typing import Any

import pytest

from training.gang.messages import Offered, Piece, Wanted
from training.gang.saves import Received, Saves, common


def save(folder: Path, name: str, **files: str) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / name / file).write_text(text)


def bring(sender: Saves, receiver: Received, name: str) -> Wanted:
    """As the supervisors do."""
    wanted = receiver.lacking(sender.offer(name)[0])
    whole = [
        receiver.piece(Piece.model_validate_json(piece.model_dump_json()))
        for piece in sender.pieces(wanted)
    ]
    assert whole == [False] * (len(whole) - 1) + [True]
    return wanted


def test_a_save_is_complete_once_a_later_step_was_made(tmp_path: Path) -> None:
    saves = Saves(tmp_path, 0)
    for name in ("checkpoint-10", "checkpoint-9", "global_step8", "12", "tmp", "checkpoint-10.tmp"):
        save(tmp_path, name)
    (tmp_path / "link-3").symlink_to(tmp_path / "12")
    assert list(saves.complete(11, ())) == ["global_step8", "checkpoint-9", "checkpoint-10"]
    assert list(saves.complete(10, {"global_step8"})) == ["checkpoint-9"]


def test_what_is_known_survives_and_must_still_be_there(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path, f"checkpoint-{number}")
        Saves(tmp_path, 1).remember(f"checkpoint-{number}")
    (tmp_path / "checkpoint-11").rmdir()
    known = Saves(tmp_path, 1).known()
    assert known[:2] == ("checkpoint-10", "checkpoint-9") and len(known) == 8
    assert Saves(tmp_path, 0).known() == ()
    (tmp_path / ".complete-rank1.json").write_text("{")
    assert Saves(tmp_path, 1).known() == ()


@pytest.mark.parametrize(
    ("rank_0", "others", "newest"),
    [
        (("b", "a"), [("b", "a")], "b"),
        (("b", "a"), [("a",)], "a"),
        (("b", "a"), [()], "b"),
        (("b",), [("a",)], None),
        ((), [("a",)], None),
        (("c", "b", "a"), [("c", "b"), ("b", "a")], "b"),
    ],
)
def test_the_newest_that_all_have(
    rank_0: tuple[str, ...], others: list[tuple[str, ...]], newest: str | None
) -> None:
    assert common(rank_0, others) == newest


def test_what_is_lacking_comes_and_what_is_there_stays(tmp_path: Path) -> None:
    here, there = tmp_path / "0", tmp_path / "1"
    save(here, "checkpoint-10", latest="global_step10", rank0="x" * 500_000, state="")
    save(here, "checkpoint-10/sub", **{".metadata": "m"})
    save(there, "checkpoint-10", rank1="mine", state="my own")
    receiver = Received(there, 1)
    wanted = bring(Saves(here, 0), receiver, "checkpoint-10")
    assert wanted.files == ("latest", "rank0", "sub/.metadata")
    got = {
        str(file.relative_to(there / "checkpoint-10")): file.read_text()
        for file in (there / "checkpoint-10").rglob("*")
        if file.is_file()
    }
    assert got == {
        "latest": "global_step10", "rank0": "x" * 500_000, "sub/.metadata": "m",
        "rank1": "mine", "state": "my own",
    }  # fmt: skip


def test_what_came_before_is_replaced_but_not_once_it_is_the_ranks_own(tmp_path: Path) -> None:
    here, there = tmp_path / "0", tmp_path / "1"
    save(here, "checkpoint-10", latest="old", state="old")
    bring(Saves(here, 0), Received(there, 1), "checkpoint-10")
    save(here, "checkpoint-10", latest="new", state="new")
    save(there, "checkpoint-10", state="my own by now")
    assert bring(Saves(here, 0), Received(there, 1), "checkpoint-10").files == ("latest",)
    assert (there / "checkpoint-10/latest").read_text() == "new"
    assert (there / "checkpoint-10/state").read_text() == "my own by now"


def test_nothing_leads_out_of_the_folder(tmp_path: Path) -> None:
    outside, there = tmp_path / "outside", tmp_path / "1"
    outside.mkdir()
    save(there, "checkpoint-10")
    (there / "checkpoint-10/out").symlink_to(outside)
    receiver = Received(there, 1)
    offered = Offered(save="checkpoint-10", files=("out/x", "../../outside/y", "fine"))
    assert receiver.lacking(offered).files == ("fine",)
    for file in ("out/x", "../../outside/y"):
        piece = Piece(save="checkpoint-10", file=file, offset=0, content="", last=True)
        assert receiver.piece(piece) is False  # nobody asked for it
    (there / "checkpoint-10/fine").symlink_to(outside / "z")  # meanwhile
    with pytest.raises(ValueError, match="leads elsewhere"):
        receiver.piece(Piece(save="checkpoint-10", file="fine", offset=0, content="", last=True))
    assert list(outside.iterdir()) == []


def piece(save: str, file: str, offset: int, text: str, *, last: bool) -> Piece:
    content = base64.b64encode(text.encode()).decode()
    return Piece(save=save, file=file, offset=offset, content=content, last=last)


def test_files_of_two_saves_may_come_between_each_other(tmp_path: Path) -> None:
    receiver = Received(tmp_path, 1)
    for name in ("s-1", "s-2"):
        receiver.lacking(Offered(save=name, files=("a",)))
    assert not receiver.piece(piece("s-1", "a", 0, "on", last=False))
    assert receiver.piece(piece("s-2", "a", 0, "two", last=True))
    assert receiver.piece(piece("s-1", "a", 2, "e", last=True))
    assert [(tmp_path / name / "a").read_text() for name in ("s-1", "s-2")] == ["one", "two"]


def test_a_file_with_a_hole_is_none_and_its_save_is_not_whole(tmp_path: Path) -> None:
    receiver = Received(tmp_path, 1)
    receiver.lacking(Offered(save="s-1", files=("a", "b")))
    receiver.piece(piece("s-1", "a", 0, "on", last=False))
    with pytest.raises(ValueError, match="in another order"):
        receiver.piece(piece("s-1", "a", 3, "e", last=True))
    assert receiver.piece(piece("s-1", "b", 0, "x", last=True)) is False
    assert not (tmp_path / "s-1/a").exists()


def test_half_a_file_of_an_earlier_attempt_goes(tmp_path: Path) -> None:
    receiver = Received(tmp_path, 1)
    receiver.lacking(Offered(save="s-1", files=("a",)))
    receiver.piece(piece("s-1", "a", 0, "half", last=False))
    Received(tmp_path, 1).begin()
    assert list((tmp_path / "s-1").iterdir()) == []


def test_what_is_too_large_stays_and_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("training.gang.saves.LARGEST", 10)
    save(tmp_path, "s-1", small="x", large="y" * 11)
    offered, kept = Saves(tmp_path, 0).offer("s-1")
    assert (offered.files, kept) == (("small",), ["large"])


def test_only_names_that_are_names_are_sent(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Offered(save="../up", files=())
    save(tmp_path, "checkpoint-10", **{"a b": "x", "ok": "y"})
    assert Saves(tmp_path, 0).offer("checkpoint-10")[0].files == ("ok",)
    for name in ("save 10", "x" * 100 + "10", "-10"):
        save(tmp_path, name)
    assert list(Saves(tmp_path, 0).complete(99, ())) == ["checkpoint-10"]
