"""What is registered for configs."""

from . import knn_hook  # noqa: F401
