"""What accompanies an image through the model: where it came from, and its label."""

from typing import Any

from mmengine.structures import BaseDataElement


class DataSample(BaseDataElement):
    """One image's meta information; predictions are added as data fields.

    Meta fields, each absent where it is not known: ``img_path`` (str), ``ori_shape`` ((H, W) before any transform),
    ``gt_label`` (int) and ``skipped`` (paths of the corrupt images that this one stands in for).

    The label is a plain integer, so that a batch's labels go to the device in one copy, by
    ``torch.tensor([sample.gt_label for sample in data_samples], device=...)``.
    """

    def to(self, *args: Any, **kwargs: Any) -> "DataSample":
        """As the base class, without its deep copy where nothing but meta information would be copied.

        mmengine's data preprocessor calls this for every sample of every batch, in the process that feeds the device.
        """
        return super().to(*args, **kwargs) if self.keys() else self
