"""One thread, so that equal seeds give equal bytes; no clock in property tests, so that a busy machine fails none."""

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("no clock", deadline=None, max_examples=50)
settings.load_profile("no clock")
