import argparse

from mirl_mm.cli import HelpFormatter


def test_defaults_are_shown_once_and_where_there_are_any():
    parser = argparse.ArgumentParser("tool", description="What it does.\n\n  tool x", formatter_class=HelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of weights")
    parser.add_argument("--flag", action="store_true", help="says yes")
    parser.add_argument("--names", nargs="+", default=[], help="some")
    parser.add_argument("--shape", nargs=2, default=(8, 16), help="height and width")
    parser.add_argument("--workers", type=int, help="processes (default: one for each CPU)")
    parser.add_argument("--size", type=int, default=8, help="of images (default: 8, as in the paper)")
    text = parser.format_help()
    assert "What it does.\n\n  tool x\n" in text
    assert "of weights (default: 0)\n" in text
    assert "says yes\n" in text and "some\n" in text
    assert "height and width (default: 8 16)\n" in text
    assert "(default: one for each CPU)\n" in text
    assert "(default: 8, as in the paper)\n" in text
