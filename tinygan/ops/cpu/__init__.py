"""The operations on the CPU's cores: blocked passes and tiled convolutions."""
