"""Trainers: scripts with a dataclass Config and a ``main(argv)``, for one CPU, many processes or GPUs."""
