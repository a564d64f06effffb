"""Layers, each with its forward pass directly above its backward pass; the contract is in ``base.py``."""

from tinygan.layers.activations import LeakyReLU, PReLU, ReLU, Sigmoid, Tanh, TPReLU, TReLU, sigmoid
from tinygan.layers.base import Layer, initialise
from tinygan.layers.batchnorm import BatchNorm
from tinygan.layers.conv import Conv2d, ConvTranspose2d
from tinygan.layers.linear import Linear
from tinygan.layers.sequential import Reshape, Sequential
from tinygan.layers.weightnorm import WeightNorm

__all__ = [
    "BatchNorm",
    "Conv2d",
    "ConvTranspose2d",
    "Layer",
    "LeakyReLU",
    "Linear",
    "PReLU",
    "ReLU",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "TPReLU",
    "TReLU",
    "Tanh",
    "WeightNorm",
    "initialise",
    "sigmoid",
]
