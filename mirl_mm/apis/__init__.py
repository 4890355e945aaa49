"""Training in Python, and what a training is afterwards."""
