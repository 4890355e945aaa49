"""What is registered for configs."""

from . import masked_loss, reconstruction_hook  # noqa: F401
