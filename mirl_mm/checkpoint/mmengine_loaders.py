"""mmengine's loading of weights, for parts that are not ours, without its unrestricted pickles.

For a backbone of another package, ``init_cfg=dict(type="Pretrained", ...)`` is mmengine's matter. It reads a file again
without restriction if the restricted reader refuses it, which runs whatever the file names.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_rank
from mmengine.runner import CheckpointLoader

from .safe_load import read_file


@CheckpointLoader.register_scheme(prefixes="", force=True)
def load_from_local(filename: str, map_location: Any = None) -> dict[Any, Any]:
    """Read a file by :func:`.safe_load.read_file`, on the CPU whatever ``map_location`` says."""
    return read_file(Path(filename).expanduser())


@CheckpointLoader.register_scheme(prefixes=("http://", "https://"), force=True)
def load_from_http(filename: str, map_location: Any = None, model_dir: str | None = None) -> dict[Any, Any]:
    """Download a file, unless it is there, to torch's folder of checkpoints, and read it by :func:`load_from_local`."""
    target = Path(model_dir or f"{torch.hub.get_dir()}/checkpoints") / Path(urlparse(filename).path).name
    if get_rank() == 0 and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(filename, str(target))
    barrier()
    return load_from_local(str(target))
