# Fine-tuning recipe of MIRL: AdamW with layer-wise decay, warm-up from 0, half-cosine, set every iteration.
# lr is per 256 images; tools/train.py multiplies it by (processes x batch_size x accumulative_counts) / 256.
_base_ = "../default_runtime.py"  # for the checkpoint hook, below

optim_wrapper = dict(
    type="Bf16OptimWrapper",
    optimizer=dict(type="AdamW", lr=7.5e-4, betas=(0.9, 0.999), weight_decay=0.05, fused=True),
    constructor="LayerDecayOptimWrapperConstructor",  # no weight decay of 1-D parameters and biases
    paramwise_cfg=dict(layer_decay=0.88),
    accumulative_counts=1,
)
auto_scale_lr = dict(enable=True, base_batch_size=256)

# The authors' least rate is 1e-6 where the highest is 6e-3 (batch 2048), both times the layer's scale. As a share of
# each group's rate this is 1 / 6000 for every layer and for every batch size.
param_scheduler = dict(type="WarmupCosineLR", warmup=5, min_ratio=1 / 6000, by_epoch=True, convert_to_iter_based=True)
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=100, val_interval=1)

# Weights and their average are both evaluated: accuracy/top1 and ema/accuracy/top1. The average's decay is that of the
# authors, min(0.9998, (1 + s) / (10 + s)) after s updates; 0.9998 = 1 - momentum.
custom_hooks = [dict(type="ModelEMAHook", momentum=2e-4)]
val_cfg = dict(type="EMAValLoop")
test_cfg = dict(type="EMATestLoop")
default_hooks = dict(checkpoint=dict(save_best="ema/accuracy/top1", rule="greater"))
