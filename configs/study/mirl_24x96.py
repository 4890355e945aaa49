# MIRL on 24 blocks of width 96 at 64 x 64 pixels: ../pretrain/mirl_tiny24_64px.py as it is, for 20 epochs.
_base_ = "../pretrain/mirl_tiny24_64px.py"
