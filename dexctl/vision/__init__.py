"""Seeing: rendering with randomized appearance, the pose network, its training, and the estimator."""
