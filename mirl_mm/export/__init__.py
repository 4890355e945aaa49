"""Weights and models for other programs: timm, safetensors, ONNX."""

from .source import Source, open_source
from .weights import Published, export_weights

__all__ = ["Published", "Source", "export_weights", "open_source"]
