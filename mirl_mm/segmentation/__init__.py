"""Segmentation: inferencer, checks, pictures, errors. What needs mmseg is in ``mmseg_parts``."""
