"""Gangs of real supervisors over real sockets, with a rank that only beats (rank_that_beats.py)."""

import base64
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.disks import fill, small_disk
from tests.support.ear import ear
from tests.support.ranks.supervised import DEADLINE, Gang

pytestmark = pytest.mark.gang

RANK = Path(__file__).with_name("rank_that_beats.py")
NONCE = "of this run alone"
A_KEY = 's3cr3t/ä"\\key'


MakeGang = Callable[..., Gang]


@pytest.fixture
def gang(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeGang]:
    gangs: list[Gang] = []
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "SPARKCTL_NONCE").write_text(NONCE)
    (secrets / "A_KEY").write_text(f"{A_KEY}\n")

    def make(plan: Mapping[str, Any] | None = None, **config: Any) -> Gang:
        told = {"steps": 6, "pause": 0.02} | dict(plan or {})
        world_size = config.pop("world_size", 2)
        gangs.append(Gang(tmp_path, secrets, RANK, told, {"memory_floor": 0} | config, world_size))
        return gangs[-1]

    yield make
    for one in gangs:
        for process in one.processes.values():
            process.kill()
            process.wait()


def script(*what: Any, rank: int = 1, attempt: int = 1) -> dict[str, Any]:
    return {"script": {str(attempt): {str(rank): list(what)}}}


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_a_good_run_ends_once_and_for_all(gang: MakeGang, world_size: int) -> None:
    one = gang(world_size=world_size, memory_floor=0.001)
    verdicts = one.run()
    assert "kept free: 0.001" in one.said(0)
    assert [v["state"] for v in verdicts] == ["succeeded"] * world_size
    assert verdicts[0] == verdicts[-1]
    assert (verdicts[0]["step"], verdicts[0]["attempts"], verdicts[0]["tail"]) == (6, 1, [])
    assert one.starts == world_size

    again = one.run()
    assert (again, one.starts) == (verdicts, 2 * world_size)
    assert len((one.node(0) / "tries").read_text()) == 1


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("what", ["kill", 1, "vanish"])
def test_what_fails_on_the_way_is_tried_again(gang: MakeGang, rank: int, what: object) -> None:
    one = gang(script(3, what, rank=rank))
    verdicts = one.run()
    assert [v["state"] for v in verdicts] == ["succeeded"] * 2
    assert verdicts[0]["step"] == 6
    assert one.starts == 4  # of supervisors: both of them, twice
    if what != "vanish" or rank == 1:
        first = one.attempts(0)[0]
        assert (first["rank"], first["node"]) == (rank, f"node-{rank}")
        # Of one that is lost no more is known than its last beat, a second ago at most.
        assert first["step"] == 3 or what == "vanish"
        code = {"kill": ("killed", 137), 1: ("crash", 1), "vanish": ("lost", None)}[what]
        assert (first["code"], first["exit_code"]) == code
        assert first["end"] == ("lost" if what == "vanish" else "failed")


def test_no_attempts_left(gang: MakeGang) -> None:
    one = gang(script(5, 1), attempts=1)
    verdicts = one.run()
    assert verdicts[0] == verdicts[1]
    told = verdicts[0]
    assert (told["state"], told["rank"], told["node"], told["exit_code"]) == (
        "failed",
        1,
        "node-1",
        1,
    )
    assert told["tail"][-1] == "rank 1 leaves"
    assert (told["step"], told["attempts"]) == (5, 1)
    last = one.said(0).splitlines()[-1]
    assert last.startswith('{"event":"verdict"')
    assert json.loads(last) == told | {"event": "verdict"}


@pytest.mark.parametrize(
    ("script", "tries", "note"),
    [
        pytest.param({"1": {"1": [0, 1]}}, 1, "before step 1", id="before step 1"),
        pytest.param({"1": {"1": [3, "error"]}}, 1, "no access", id="cannot heal"),
        pytest.param({"1": {"1": [3, 1]}, "2": {"1": [3, 1]}}, 2, "further than step 3", id="same"),
        pytest.param(
            {"1": {"1": [1, 1]}, "2": {"1": [2, 1]}, "3": {"0": [4, 1]}}, 3, "attempt 3 of 3",
            id="enough",
        ),
    ],
)  # fmt: skip
def test_it_is_not_tried_for_ever(
    gang: MakeGang, script: dict[str, Any], tries: int, note: str
) -> None:
    one = gang({"script": script}, attempts=3)
    verdict = one.run()[0]
    assert (verdict["state"], verdict["attempts"]) == ("failed", tries)
    assert note in verdict["message"]
    assert verdict["help"]
    assert one.starts == 2 * tries


def test_an_exit_with_0_is_no_success_without_a_result(gang: MakeGang) -> None:
    """Every stack of this field can exit with 0 and have trained nothing."""
    one = gang({"script": {number: {"1": [3, 0]} for number in ("1", "2")}})
    verdict = one.run()[0]
    assert (verdict["state"], verdict["rank"], verdict["code"]) == ("failed", 1, "no_result")
    assert [made["code"] for made in one.attempts(0)] == ["no_result"] * 2
    assert "sparkctl runs logs test" in verdict["help"]


@pytest.mark.parametrize(("what", "code"), [("hang", "silent"), ("stuck", "stuck")])
def test_a_rank_that_hangs_is_found_and_named(gang: MakeGang, what: str, code: str) -> None:
    one = gang({"script": {"1": {"0": [4, "wait"], "1": [3, what]}}}, silence_seconds=3)
    verdict = one.run()[0]
    assert verdict["state"] == "succeeded"
    first = one.attempts(1)[0]
    assert (first["rank"], first["code"], first["exit_code"]) == (1, code, None)
    stacks = (one.node(0) / "debug/stacks-rank0.txt").read_text()
    assert RANK.name in stacks


def test_different_weights_are_no_success(gang: MakeGang) -> None:
    verdict = gang({"sums": ["one", "other"]}).run()[0]
    assert (verdict["state"], verdict["code"]) == ("failed", "weights_mismatch")


def test_asked_to_stop_all_save_and_end(gang: MakeGang) -> None:
    one = gang({"steps": 10_000, "save": 1_000_000})

    def stop(running: Gang) -> bool:
        if not running.reached(1, 3):
            return False
        (running.node(1) / "stop").touch()
        return True

    verdicts = one.run(stop)
    assert [v["state"] for v in verdicts] == ["stopped", "stopped"]
    assert min(int((one.node(rank) / "saved").read_text()) for rank in (0, 1)) >= 3
    assert verdicts[0]["rank"] is None


def test_a_signal_to_one_stops_all_and_they_begin_again(gang: MakeGang) -> None:
    one = gang({"steps": 60})

    def stop(running: Gang) -> bool:
        if not running.reached(0, 5):
            return False
        running.processes[1].send_signal(signal.SIGTERM)
        return True

    assert one.run(stop)[0]["state"] == "succeeded"
    assert one.attempts(0)[0]["end"] == "stopped"
    assert one.starts == 4


def test_a_rank_that_does_not_come(gang: MakeGang) -> None:
    one = gang(join_seconds=1, world_size=1)
    one.world_size = 2
    one.start(0)
    assert one.processes[0].wait(timeout=DEADLINE) == 0
    verdict = one.verdict(0)
    assert (verdict["state"], verdict["rank"], verdict["code"]) == ("failed", 1, "rank_missing")
    assert verdict["node"] == "node-1" and "node-1" in verdict["message"] and verdict["help"]
    assert verdict["attempts"] == 0

    one.start(1)
    assert one.processes[1].wait(timeout=DEADLINE) == 0
    assert (one.verdict(1)["rank"], one.verdict(1)["node"]) == (0, "node-0")
    assert "node-0" in one.verdict(1)["help"]


@pytest.mark.parametrize("gone", [0, 1])
def test_who_goes_away_for_good_is_named_and_all_others_leave(gang: MakeGang, gone: int) -> None:
    """A worker that leaves the swarm, a machine that is off: nobody starts its rank again."""
    one = gang({"steps": 10_000}, join_seconds=3)

    def leave(running: Gang) -> bool:
        if not all(running.reached(rank, 1) for rank in (0, 1)):
            return False
        running.processes[gone].kill()
        running.processes[gone].wait()
        del running.processes[gone]
        return True

    (verdict,) = one.run(leave)
    assert not one.verdict_file(gone).exists()
    assert (verdict["state"], verdict["code"]) == ("failed", "rank_missing")
    assert (verdict["rank"], verdict["node"]) == (gone, f"node-{gone}")
    assert f"Look at node-{gone}" in verdict["help"]
    assert "sparkctl runs resume test" in verdict["help"]
    if gone == 1:
        lost = one.attempts(0)[0]
        assert (lost["end"], lost["node"]) == ("lost", "node-1")
        assert "node-1" in lost["message"]


def test_the_end_is_told_once(gang: MakeGang, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    verdict_first = "test -s $SPARKCTL_RUN_DIR/verdict-rank0.json"
    keep = ["sh", "-c", f"{verdict_first} && cat >> {heard} && echo >> {heard}"]
    one = gang(script(3, "kill"), hooks=[{"command": keep}])
    assert one.run()[0]["state"] == "succeeded"
    one.run()  # the containers are started again for no good reason
    (line,) = heard.read_text().splitlines()
    assert (json.loads(line)["state"], json.loads(line)["attempts"]) == ("succeeded", 2)
    assert "hook: sh ended with exit code 0" in one.said(0)


def test_a_secret_is_in_no_file_and_in_no_webhook(gang: MakeGang, tmp_path: Path) -> None:
    """Whatever the rank, a hook and the verdict say of it, in whatever encoding."""
    with ear() as (url, bodies):
        hooks = [{"command": ["sh", "-c", 'echo "told $A_KEY"; cat']}, {"url": url}]
        verdict = gang(script(0, "leak"), hooks=hooks).run()[0]
    assert (verdict["state"], verdict["code"]) == ("failed", "crash")
    assert verdict["message"].startswith("ConnectionError: https://alice:***@host '***' Basic ")
    assert len(verdict["tail"]) > 1
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    kinds = {"log", "metrics", "result", "attempts", "verdict", "heartbeat", "out"}
    assert kinds <= {file.name.partition("-")[0] for file in files}
    written = b"".join(file.read_bytes() for file in files)
    assert b"hook: told ***" in written and len(bodies) == 1
    for form in forms_of(A_KEY):
        assert form not in written
        assert form not in bodies[0]


def forms_of(secret: str) -> list[bytes]:
    """How a secret may have been written; the base64 is of what follows `alice:`."""
    forms = [secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1],
             json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1],
             base64.b64encode(f"alice:{secret}".encode()).decode()[8:-4],
             base64.b64encode(secret.encode()).decode()[:-4], "s3cr3t"]  # fmt: skip
    return [form.encode() for form in forms]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("how", ["fill", "fill loudly"])
def test_a_full_disk_is_a_verdict_on_every_node(gang: MakeGang, rank: int, how: str) -> None:
    """On the full one too: room was kept for it. It names the node, and the folder as it has it."""
    one = gang(script(3, how, rank=rank))
    with small_disk(one.node(rank), 512):
        verdicts = one.run()
    assert len(verdicts) == 2 and verdicts[0] == verdicts[1]
    told = verdicts[0]
    assert (told["state"], told["code"]) == ("failed", "disk_full")
    assert (told["rank"], told["node"], told["step"]) == (rank, f"node-{rank}", 3)
    assert f"no space is left for /home/of-{rank}/runs/test" in told["message"]
    assert "Free space" in told["help"]
    assert one.starts == 2
    if how == "fill loudly":
        assert f"19999 {'x' * 100}" in one.said(rank)  # nobody waits for a full disk
        assert "lines are lost" in one.said(rank)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_disk_that_is_full_from_the_start_ends_all_ranks(gang: MakeGang, rank: int) -> None:
    one = gang()
    with small_disk(one.node(rank), 64) as disk:
        fill(disk)
        (told,) = one.run()
        assert not one.verdict_file(rank).exists()
        assert '"code":"disk_full"' in one.said(rank)
    assert (told["state"], told["code"], told["node"]) == ("failed", "disk_full", f"node-{rank}")
    assert f"/home/of-{rank}/runs/test" in told["message"]
    assert one.starts == 2
    assert not (one.node(1 - rank) / f".reserve-rank{1 - rank}").exists()


def test_a_port_that_is_taken_is_named_by_all(gang: MakeGang) -> None:
    """Who holds it says nothing that a supervisor would believe, and hears nothing of use."""
    one = gang(join_seconds=1)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", one.port)) as holder:

        def answer() -> None:
            with suppress(OSError):  # closed at the end
                while True:
                    caller, _ = holder.accept()
                    with caller:
                        caller.sendall(b'{"kind":"challenge","challenge":"00"}\n')
                        heard.append(caller.recv(65536))
                        caller.sendall(b'{"kind":"stop"}\n{"kind":"over","attempt":null}\n')

        thread = threading.Thread(target=answer)
        thread.start()
        verdicts = one.run()
        holder.shutdown(socket.SHUT_RDWR)
        thread.join()
    for verdict in verdicts:
        assert (verdict["state"], verdict["code"]) == ("failed", "port_taken")
        assert (verdict["rank"], verdict["node"]) == (0, "node-0")
        assert f"127.0.0.1:{one.port}" in verdict["message"] and "ss -tlnp" in verdict["help"]
    assert f"the port is taken: something else listens at 127.0.0.1:{one.port}" in one.said(0)
    assert heard and NONCE.encode() not in b"".join(heard)
    assert not (one.node(1) / "tries").exists()
