# From a classifier fine-tuned at 224 to 384: our choice, a tenth of the epochs at a tenth of the rate, and an average
# over as many fewer updates at the end (its decay rises to 0.998). Start it with tools/train.py --load-from
# CHECKPOINT_OF_224, which brings the head, too.
_base_ = "./finetune_100e.py"

optim_wrapper = dict(optimizer=dict(lr=7.5e-5))
param_scheduler = dict(warmup=1)
train_cfg = dict(max_epochs=10)
custom_hooks = [dict(type="ModelEMAHook", momentum=2e-3)]
