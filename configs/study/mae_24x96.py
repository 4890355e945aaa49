# MAE with the encoder, data and schedule of mirl_24x96.py. Nine blocks in the decoder, one more than its paper has,
# make a step on a CPU cost as much as one of MIRL: figures in README.md.
_base_ = "../pretrain/mae_tiny24_64px.py"

model = dict(decoder_depth=9)
