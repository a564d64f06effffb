"""tinygan: weight-normalised GANs from scratch, after Xiang & Li, arXiv 1704.03971."""

__version__ = "0.1.0"
