# What surrounds a run. Nothing here changes results, but for the seed.
default_scope = "mirl_mm"
runner_type = "mirl_mm.Runner"  # reports what of a checkpoint fits

default_hooks = dict(
    runtime_info=dict(type="LossInfoHook"),
    timer=dict(type="IterTimerHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    iteration_seed=dict(type="IterationSeedHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    accumulation=dict(type="EpochAccumulationHook"),
    grad_norm=dict(type="GradNormHook"),
    throughput=dict(type="ThroughputHook"),
    corrupt_images=dict(type="CorruptImageHook"),
    class_check=dict(type="ClassCheckHook"),
    checkpoint=dict(type="AtomicCheckpointHook", interval=1, max_keep_ckpts=2),
)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),  # tools/train.py takes gloo on a machine without a GPU
)

# Others: --tracker of tools/train.py, docs/configs.md.
visualizer = dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend")])

log_processor = dict(window_size=50, mean_pattern=r".*(loss|pair|term|time|img_per_s).*")
log_level = "INFO"
load_from = None
resume = False

# Fixed, so that a run repeats itself and a resumed run continues the same stream.
randomness = dict(seed=0)
