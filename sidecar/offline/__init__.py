"""What people run by hand on a pile of prompts, beside the serving and with the same classifier and rule."""
