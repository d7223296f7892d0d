"""The machinery that measures share: the passes of one network over one minibatch, each run at most once."""
