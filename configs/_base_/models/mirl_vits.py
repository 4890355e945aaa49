# ViT-S: 12 blocks of width 384, 12 heads of 32; decoders 384 wide, 1 block, 12 heads (paper: those of ViT-S-54).
_base_ = "./mirl_vitb.py"

model = dict(backbone=dict(arch="vit-s"), decoder_embed_dims=384, decoder_depth=1, decoder_num_heads=12)
