"""Where models and colour passes run: the choice of devices, and frames that stay on a GPU."""
