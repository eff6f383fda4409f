"""Owns the label sets: intents in the order of the model's outputs, tiers from cheapest to dearest."""

INTENTS = (
    "chat",
    "factual_qa",
    "classification",
    "extraction",
    "translation",
    "summarization",
    "rewriting",
    "writing",
    "explanation",
    "code_generation",
    "code_debugging",
    "expert_qa",
    "planning",
    "math",
    "logical_reasoning",
)

TIERS = ("simple", "moderate", "complex", "reasoning")

DEFAULT_TIER = {
    "chat": "simple",
    "factual_qa": "simple",
    "classification": "simple",
    "extraction": "simple",
    "translation": "moderate",
    "summarization": "moderate",
    "rewriting": "moderate",
    "writing": "moderate",
    "explanation": "moderate",
    "code_generation": "complex",
    "code_debugging": "complex",
    "expert_qa": "complex",
    "planning": "complex",
    "math": "reasoning",
    "logical_reasoning": "reasoning",
}

# Difficulty is the probability that a cheap model's answer is not good enough. Nobody measured that for the
# authored prompts, so each tier label stands for a plausible value, never quite 0 or 1.
TIER_DIFFICULTY = {"simple": 0.05, "moderate": 0.4, "complex": 0.75, "reasoning": 0.95}
