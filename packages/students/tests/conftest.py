"""One thread, so that equal seeds give equal bytes."""

import torch

torch.set_num_threads(1)
