"""mmcv and mmseg, imported first and without their remarks, or an error that says how to get them."""

import contextlib
import io

try:
    with contextlib.redirect_stdout(io.StringIO()):  # of packages that mmseg would have besides
        import mmcv.ops  # noqa: F401
        import mmseg.datasets  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"segmentation needs mmcv and mmseg ({error}): pip install 'mirl_mm[seg]'; "
        "python -m mirl_mm check_env says what is missing"
    ) from error
