# Fine-tuning of the encoders of 24 blocks and width 96 for 10 epochs, 2 of them warm-up, in bfloat16.
_base_ = "../cls/mirl_tiny24_64px.py"

optim_wrapper = dict(type="Bf16OptimWrapper")
train_cfg = dict(max_epochs=10)
