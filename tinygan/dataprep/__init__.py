"""From images as they come to a packed set, once: what ``data_prep.py`` runs.

prepare.py       from a source to a packed set: workers.py decodes, partial.py keeps what is finished,
                 finish.py gives every file its place
sources/         a folder, a zip archive, an LSUN database, CIFAR-10
partition.py     CelebA's official division
measurepixels.py check sum, mean and spread
describe.py      what a packed set is, in words, and whether it still is that
"""
