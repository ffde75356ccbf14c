"""Fine-tuning of the segmentation models. Nothing in the product imports this package."""
