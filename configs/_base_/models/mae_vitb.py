# MAE with its paper's decoder: 512 wide, 8 blocks, 16 heads.
_base_ = "./masked_vitb.py"

model = dict(type="MAE", decoder_embed_dims=512, decoder_depth=8, decoder_num_heads=16)
