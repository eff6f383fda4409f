"""Prompts that leave the classifier no doubt, one for each tier."""

SIMPLE = "hi there, thanks a lot!"
MODERATE = "Translate to French: The meeting has been moved to Thursday at ten, please bring the printed agenda."
COMPLEX = "Write a Python function that merges two sorted linked lists and returns the head of the merged list."
REASONING = (
    "Prove that there are infinitely many primes congruent to 3 modulo 4, "
    "then say where the argument breaks for 1 modulo 4."
)
BY_TIER = {"simple": SIMPLE, "moderate": MODERATE, "complex": COMPLEX, "reasoning": REASONING}
