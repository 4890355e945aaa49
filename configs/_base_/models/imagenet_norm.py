# What all models here do to pixels: RGB, in grey levels, normalised by ImageNet's mean and standard deviation.
model = dict(data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))
