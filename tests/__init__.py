"""One file per module, named after it; ``fakes`` behave like what they stand for."""
