"""What frozen features are worth: nearest neighbours, linear probes, and both at every depth."""
