"""Prompts that leave the classifier no doubt, one for each tier.

Any classifier finds small talk easy and a proof hard; where between them a prompt stands is for each to say. So the
tiers between are reached by easy prompts, of intents that have a least tier.
"""

LEAST_TIERS = "intents: {translation: moderate, code_generation: complex}"
"""For the policy of the gateway that is asked."""

SIMPLE = "hi there, thanks a lot!"
MODERATE = "Translate into French: the book is on the table."
COMPLEX = "Write a Python function that adds two numbers."
REASONING = (
    "Prove with full rigour that there are infinitely many primes congruent to 3 modulo 4, "
    "say where the argument breaks for 1 modulo 4, and find a proof that works there too."
)
BY_TIER = {"simple": SIMPLE, "moderate": MODERATE, "complex": COMPLEX, "reasoning": REASONING}
