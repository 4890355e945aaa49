# What surrounds the run of a detector or segmentor. Nothing here changes results, but for the seed.
# Types without a prefix are those of mmdet, mmseg or mmengine, so that anything from their configs fits in as it
# stands; ours have the prefix "mirl_mm.".

runner_type = "mirl_mm.Runner"  # reports what of a checkpoint fits
default_hooks = dict(
    runtime_info=dict(type="mirl_mm.LossInfoHook"),
    timer=dict(type="IterTimerHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    iteration_seed=dict(type="mirl_mm.IterationSeedHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    accumulation=dict(type="mirl_mm.EpochAccumulationHook"),
    grad_norm=dict(type="mirl_mm.GradNormHook"),
    throughput=dict(type="mirl_mm.ThroughputHook"),
    float32_heads=dict(type="mirl_mm.Float32HeadsHook"),  # of a bfloat16 run
    class_check=dict(type="mirl_mm.ClassCheckHook"),
    checkpoint=dict(type="mirl_mm.AtomicCheckpointHook", by_epoch=False, max_keep_ckpts=2),
)

env_cfg = dict(
    # Masks are computed of as many regions as were found, another number at each step, and cuDNN would try its ways
    # anew for each (docs/speed.md, H200). mmdet's default.
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),  # tools/train.py takes gloo on a machine without a GPU
)

# Others: --tracker of tools/train.py, docs/configs.md.
visualizer = dict(vis_backends=[dict(type="LocalVisBackend")], name="visualizer")

log_processor = dict(by_epoch=False, window_size=50)
log_level = "INFO"
load_from = None
resume = False

# Fixed, so that a run repeats itself and a resumed run continues the same stream.
randomness = dict(seed=0)
