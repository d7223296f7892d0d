r"""A measure of your own: a function of a network and a minibatch that returns a number.

Score an architecture, then correlate the measure with trained accuracies::

    eznas score --plugin my_measure.py --measure confidence \
        --architecture "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"
    eznas verify --plugin my_measure.py --proxy confidence --proxy params --samples 50 --csv scores.csv
"""

import torch

from eznas.measures import UndefinedError, register_measure


@register_measure(name="confidence", paper="", formula="mean over images of the largest logit minus the mean logit")
def confidence(network, minibatch):
    with torch.no_grad():
        logits = network(minibatch.images)
    if logits.shape[1] == 1:
        raise UndefinedError("the network must have at least two classes")
    return (logits.amax(1) - logits.mean(1)).mean()
