"""What tools/visualization/infer.py does with models of a kind: their options, and what is said of the predictions."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from mirl_mm.file_backend import write_file


class Flag(NamedTuple):
    """An option of the command line that not all kinds of models have.

    Attributes:
        name: Such as ``--top-k``.
        help: For ``--help``.
        default: What it is where it is not given.
        settings: What argparse needs besides; ``dest`` is the name of the argument that it becomes.
        builds: Whether it is an argument of the inferencer, rather than of its calls.
        path: ``"reads"`` a file, ``"writes"`` a file or a ``"folder"``; empty for what is no path.
    """

    name: str
    help: str
    default: Any = None
    settings: Mapping[str, Any] = {}
    builds: bool = False
    path: str = ""

    @property
    def dest(self) -> str:
        """The name of its value among the arguments."""
        return self.settings.get("dest", self.name.strip("-").replace("-", "_"))


def file_flag(name: str, help: str, path: str) -> Flag:
    """An option that names a file."""
    return Flag(name, help, None, {"type": Path, "metavar": "FILE"}, path=path)


class Outcome(NamedTuple):
    """What a command has to say.

    Attributes:
        lines: One for each image.
        notes: About all of them.
        files: Pictures that were written.
        failed: Why images were left out.
    """

    lines: Sequence[str]
    notes: Sequence[str] = ()
    files: Sequence[Path] = ()
    failed: Sequence[str] = ()


class Command:
    """A kind of model: its options are passed to its inferencer, and each prediction gives a line.

    Args:
        inferencer: Its class.
    """

    #: What is told of its models; default: what the inferencer calls them.
    models = ""
    flags: ClassVar[Sequence[Flag]] = ()
    #: Whether predictions are asked for as JSON takes them.
    plain: ClassVar[bool] = True
    #: Name of the option that asks for it, whatever the model is; empty: the model does.
    asked_by: ClassVar[str] = ""

    def __init__(self, inferencer: Any) -> None:
        self.inferencer = inferencer
        self.models = self.models or inferencer.models

    def problem(self, args: argparse.Namespace) -> str:
        """What is wrong with the options, if anything is."""
        return ""

    def check(self, args: argparse.Namespace, images: Sequence[str]) -> None:
        """Refuse, before the long work, images that can't serve."""

    def line(self, item: dict) -> str:
        """What is said of an image."""
        raise NotImplementedError

    def lines(self, predictions: Sequence[dict], args: argparse.Namespace) -> list[str]:
        """One for each image."""
        return [f"{item['img_path']}: {self.line(item)}" for item in predictions]

    def notes(self, infer: Any, predictions: Sequence[dict], args: argparse.Namespace) -> list[str]:
        """What is said of all images."""
        return []

    def write(self, predictions: list[dict], images: Sequence[str], args: argparse.Namespace) -> None:
        """Write the files that are asked for, but for pictures."""
        write_json(args.json, predictions)

    def run(self, args: argparse.Namespace, images: Sequence[str]) -> Outcome:
        """Run the inferencer on all images that it can read, with arguments that defaults have completed."""
        self.check(args, images)
        infer = self.inferencer(
            args.config or args.checkpoint,
            args.checkpoint if args.config else None,
            device=args.device,
            show_progress=len(images) > args.batch_size,
            **{flag.dest: getattr(args, flag.dest) for flag in self.flags if flag.builds},
        )
        taken = {field.name for field in fields(infer.Options)}
        own = {flag.dest: getattr(args, flag.dest) for flag in self.flags if flag.dest in taken}
        common = {"batch_size": args.batch_size, "out_dir": args.out_dir, "draw": False, "keep_pictures": False}
        result = infer(images, plain=self.plain, on_error="skip", **common, **own)
        predictions, failed = result["predictions"], result["failed"]
        kept = [image for i, image in enumerate(images) if i not in failed]
        self.write(predictions, kept, args)
        files = infer.picture_paths(kept, args.out_dir, infer.Options(**own)) if args.out_dir else []
        notes = self.notes(infer, predictions, args)
        return Outcome(self.lines(predictions, args), notes, files, list(failed.values()))


def write_json(path: Path | None, content: Any) -> None:
    """Write a file, if one is wanted."""
    if path:
        write_file(path, json.dumps(content, indent=1))
