"""Machines of a gang that are not alike, and kernels that are known to break it."""

from orchestrator.node.software import Software, uneven

USUAL = Software("6.17.0-1014-nvidia", kho_off=False, driver="580.95.05", toolkit="1.19.0")


def told(*machines: Software) -> list[str]:
    names = ("spark-a", "spark-b", "spark-c")
    return [f"{node}: {words}" for node, words in uneven(dict(zip(names, machines, strict=False)))]


def test_machines_that_are_alike_are_nothing_to_speak_of() -> None:
    assert told() == told(USUAL) == told(USUAL, USUAL, USUAL) == []


def test_each_difference_is_told_with_both_values() -> None:
    other = Software("6.17.0-1032-nvidia", kho_off=False, driver="580.173.02", toolkit="1.20.1")
    assert told(USUAL, other) == [
        "spark-b: its kernel is 6.17.0-1032-nvidia, that of spark-a is 6.17.0-1014-nvidia",
        "spark-b: its driver is 580.173.02, that of spark-a is 580.95.05",
        "spark-b: its toolkit is 1.20.1, that of spark-a is 1.19.0",
    ]


def test_what_is_not_known_is_no_difference() -> None:
    assert told(USUAL, Software("", kho_off=False, driver="", toolkit="")) == []
    assert told(Software("", kho_off=False, driver="", toolkit=""), USUAL) == []


def test_kernel_7_is_told_unless_it_was_started_without_kexec_handover() -> None:
    bad = Software("7.0.0-1018-nvidia", kho_off=False, driver="580.95.05", toolkit="1.19.0")
    good = Software("7.0.0-1018-nvidia", kho_off=True, driver="580.95.05", toolkit="1.19.0")
    assert [line.split(":")[0] for line in told(bad, bad)] == ["spark-a", "spark-b"]
    assert "ibv_reg_mr_iova2" in told(bad)[0]
    assert "kho=off" in told(bad)[0]
    assert told(good, good) == []
    assert "NCCL" not in told(Software("6.7.0", kho_off=False, driver="", toolkit=""), USUAL)[0]
