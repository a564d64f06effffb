"""Layers, each with its forward pass directly above its backward pass; the contract is in ``base.py``."""

from tinygan.layers.activations import LeakyReLU, PReLU, ReLU, Sigmoid, Tanh, TPReLU, TReLU
from tinygan.layers.addition import Addition, WeightNormalisedAddition
from tinygan.layers.base import Gradients, Layer, initialise
from tinygan.layers.batchnorm import BatchNorm
from tinygan.layers.bilinear import BilinearLayer
from tinygan.layers.conv import Conv2d, ConvTranspose2d
from tinygan.layers.linear import Linear
from tinygan.layers.resize import AveragePool, Crop, NearestDouble, Pad
from tinygan.layers.scaleshift import Rescale, ScaleShift
from tinygan.layers.sequential import Reshape, Sequential
from tinygan.layers.weightnorm import WeightNorm

__all__ = [
    "Addition", "AveragePool", "BatchNorm", "BilinearLayer", "Conv2d", "ConvTranspose2d", "Crop", "Gradients",
    "Layer", "LeakyReLU", "Linear", "NearestDouble", "PReLU", "Pad", "ReLU", "Rescale", "Reshape", "ScaleShift",
    "Sequential", "Sigmoid", "TPReLU", "TReLU", "Tanh", "WeightNorm", "WeightNormalisedAddition", "initialise",
]  # fmt: skip
