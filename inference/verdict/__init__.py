"""The image's own verdict: whether it is a frontal chest radiograph that a model can judge, or what else it is."""
