# Decoders 512 wide, 2 blocks, 16 heads: those of the paper's ViT-B-48.
_base_ = "./masked_vitb.py"

model = dict(type="MIRL", num_segments=6, decoder_embed_dims=512, decoder_depth=2, decoder_num_heads=16)
