"""What is measured, side by side; and what waits for a GPU."""
