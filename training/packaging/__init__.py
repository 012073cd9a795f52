"""From a fitted network to a model package: export, manifest, protocol, card, distance measure, score maps."""
