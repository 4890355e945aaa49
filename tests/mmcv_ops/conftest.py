from importlib.util import find_spec

import mirl_mm  # noqa: F401  (serves mmcv's ops)

collect_ignore_glob = [] if find_spec("mmcv") else ["test_*.py"]
