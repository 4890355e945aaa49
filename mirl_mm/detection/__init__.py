"""Detection: inferencer, checks, pictures, errors. What needs mmdet is in ``mmdet_parts``."""
