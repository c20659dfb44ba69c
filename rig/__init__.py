"""Rig controller for head-fixed motor-learning experiments."""
