"""What one of several processes does for all of them."""

from collections.abc import Callable
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process


def by_first_process(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in the first process alone; all of them get what it returns, or raise what it raises.

    Args:
        function: What is done once, such as looking at a folder that is about to change.
        *args: Its arguments.
    """
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
