"""Weights of other origins."""
