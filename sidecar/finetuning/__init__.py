"""Fine-tuning a classifier, and leaving it as a model folder; needs the extra `train`."""
