# MAE with the encoder, data and schedule of mirl_24x96.py: ../pretrain/mae_tiny24_64px.py as it is.
_base_ = "../pretrain/mae_tiny24_64px.py"
