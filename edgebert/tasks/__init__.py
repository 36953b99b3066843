"""One file per task: texts in, results out, each a readout over the engine."""
