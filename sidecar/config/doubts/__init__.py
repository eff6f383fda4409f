"""What a policy file says soundly, and hardly means: one module for each part of it."""
