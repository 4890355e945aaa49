from mirl_mm.text import counted


def test_counted():
    assert [counted(n, "mask") for n in (0, 1, 2, 1200)] == ["0 masks", "1 mask", "2 masks", "1,200 masks"]
    assert [counted(n, "box", "boxes") for n in (1, 3)] == ["1 box", "3 boxes"]
