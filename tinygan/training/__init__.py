"""Training: options, the two update schedules (step.py), the loop around them, checkpoints and the run's folder."""
