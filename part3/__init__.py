"""Part 3: a two-layer LSTM learns a book, character by character, and writes."""
