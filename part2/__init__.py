"""Part 2: an LSTM with a time gate, which opens each unit once per period of its own."""
