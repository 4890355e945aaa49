"""Calls in the main process (rank 0) whose result, or error, all processes get."""

from collections.abc import Callable
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process


def on_main_process(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in the main process (rank 0) alone; all processes get its result, or raise its error."""
    answer: list[Any] = [None]
    if is_main_process():
        try:
            answer[0] = function(*args)
        except (OSError, RuntimeError, ValueError) as error:
            answer[0] = error
    broadcast_object_list(answer)
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]
