"""What the owner of a policy works with: explain, test and replay, each by the code that serves."""
