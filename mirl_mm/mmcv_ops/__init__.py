"""mmcv's compiled ops, served by torchvision and PyTorch where mmcv was installed without them.

A plain ``pip install onedl-mmcv`` has no compiled module ``mmcv._ext``. ``install()``, which ``import mirl_mm`` calls,
adds a finder that serves one in its place; a compiled module, where there is one, wins. Nothing heavy is imported until
mmcv asks for an op.
"""

from .finder import install, source

__all__ = ["install", "source"]
