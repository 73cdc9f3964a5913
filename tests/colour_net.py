"""For the tests of colourisation: a small net whose colours depend on all that it is given."""

from __future__ import annotations

import torch

from artcore.models.colorunet import ColorUNet


def colour_net(seed: int = 2, **config: object) -> ColorUNet:
    """Untrained weights as they are drawn make almost the same of every noise; twice as large, they don't."""
    torch.manual_seed(seed)
    net = ColorUNet(channels=(8, 8, 8, 8), cell=32, **config)
    with torch.no_grad():
        for weight in net.parameters():
            if weight.dim() > 1:
                weight.mul_(2)
    return net
