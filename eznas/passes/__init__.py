"""The passes of a network that measures share: recorded, run once each, and the network left as it was found."""
