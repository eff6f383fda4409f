"""The classifier at run time: prompt text to tokens to intent and difficulty."""
