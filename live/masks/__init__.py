"""From frames to the weights of their regions: segmentation, motion, time, edges."""
