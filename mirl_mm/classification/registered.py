"""What is registered for configs."""

from . import accuracy, heads, image_classifier  # noqa: F401
