"""Part 1: palindromes, remembered by a vanilla RNN and an LSTM written by hand."""
