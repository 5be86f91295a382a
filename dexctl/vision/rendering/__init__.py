"""Pictures for the pose estimator: one scene, two renderers, any number of processes."""
