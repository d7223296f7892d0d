"""A measure: a function of a network and a minibatch that returns a number."""

import torch

from eznas.measures import UndefinedError, register_measure


@register_measure(name="confidence", paper="", formula="mean over images of the largest logit minus the mean logit")
def confidence(network, minibatch):
    with torch.no_grad():
        logits = network(minibatch.images)
    if logits.shape[1] == 1:
        raise UndefinedError("the network must have at least two classes")
    return (logits.amax(1) - logits.mean(1)).mean()
