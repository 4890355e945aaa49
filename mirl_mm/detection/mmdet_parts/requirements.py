"""mmcv and mmdet, imported first and without their remarks, or an error that says how to get them."""

import contextlib
import io
import warnings

try:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # Of packages that mmdet would have besides, for data sets and a metric that nothing here uses.
        warnings.filterwarnings("ignore", message="faster_coco_eval is not installed")
        import mmcv.ops  # noqa: F401
        import mmdet.datasets
        import mmdet.evaluation  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"detection needs mmcv and mmdet ({error}): pip install 'mirl_mm[det]'; "
        "python -m mirl_mm check_env says what is missing"
    ) from error

# mmdet's heads warn of their own use of an old name.
warnings.filterwarnings("ignore", message=".*`num_anchors` is deprecated")
