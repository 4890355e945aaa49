"""A brief log on the console, beside the log file that has everything."""

import logging

from mmengine.logging import MMLogger

#: How those records begin that are pages long: environment, config, order of hooks, and parameter groups.
_LONG = ("\n" + "-" * 60, "Config:\n", "Hooks will be executed", "layer decay ", "parameter groups:")
#: Of lines that nobody could act on: mmengine's about itself.
_OF_NO_USE = ("Distributed training is not used", "deprecated in future", "Exp name: ")


def shorten_console(logger: MMLogger) -> MMLogger:
    """Leave environment, config, hooks and parameter groups to the log file."""
    for handler in console_handlers(logger):
        handler.addFilter(_is_for_people)
    return logger


def _is_for_people(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not message.startswith(_LONG) and not any(words in message for words in _OF_NO_USE)


def console_handlers(logger: logging.Logger) -> list[logging.Handler]:
    """Those that write to the terminal, or into a notebook."""
    return [each for each in logger.handlers if type(each) is logging.StreamHandler]
