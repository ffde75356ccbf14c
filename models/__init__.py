"""Segmentation models: cards, the ONNX Runtime segmenter, export."""
