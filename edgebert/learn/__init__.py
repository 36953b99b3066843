"""Learning on the device: classifiers that are sums over frozen features."""
