"""One adapter for each peer.

An adapter's `load(folder, settings)` gives a function from texts and a batch size to (N, H)
float32 vectors, mean-pooled and of unit length. It runs in the peer's own environment and may
import nothing of this repository but `bench.peers.padded`; edgebert's imports edgebert.
"""
