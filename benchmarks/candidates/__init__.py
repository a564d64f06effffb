"""What may become part of tinygan once a device has shown that it is right and faster; the package knows nothing of it.

implicit.py                  the command: judges the convolution below against the package's, layer by layer
convolution.py               tinygan.ops.correlate and its transpose without patches in memory, and when not
products.py tiling.py        the three products launched; how each is cut into tiles, and how long that should take
implicit.cu                  their kernels: each as its formula, then in tiles
sides.cuh tile.cuh           where the factors lie; the product of a tile
tensor_core.cuh              the instructions that it is made of, and for the CPU what they do
timing.py bill.py compiled.py    what a device, the model and the compiler say of it
"""
