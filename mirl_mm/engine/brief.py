"""A console for those who watch a training, beside the log file that has everything."""

import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

#: How those records begin that are pages long: environment, config, order of hooks, and parameter groups.
_LONG = ("\n" + "-" * 60, "Config:\n", "Hooks will be executed", "layer decay ", "parameter groups:")
#: Of lines that nobody could act on: mmengine's about itself.
_OF_NO_USE = ("Distributed training is not used", "deprecated in future", "Exp name: ")


def with_brief_console(kind: type[Runner]) -> type[Runner]:
    """The same runner, whose environment, config, hooks and parameter groups are in the log file only."""

    class BriefRunner(kind):
        def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
            logger = super().build_logger(*args, **kwargs)
            for handler in console_handlers(logger):
                handler.addFilter(_is_for_people)
            return logger

    return BriefRunner


def _is_for_people(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not message.startswith(_LONG) and not any(words in message for words in _OF_NO_USE)


def console_handlers(logger: logging.Logger) -> list[logging.Handler]:
    """Those that write to the terminal, or into a notebook."""
    return [each for each in logger.handlers if type(each) is logging.StreamHandler]
