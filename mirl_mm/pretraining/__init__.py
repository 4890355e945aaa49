"""What a pre-training shows: reconstructions, in a run and of any image, and its loss on held-out images."""
