"""Grids of trainings: steps that need one another, run side by side, gone on with after a stop, and what came out."""

from .running import duration, locked, run_steps, seconds_of
from .step import Step, StepFailed

__all__ = ["Step", "StepFailed", "duration", "locked", "run_steps", "seconds_of"]
