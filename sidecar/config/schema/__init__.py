"""What is written: the keys of a policy file, declared once for reading, for editors and for the reference."""
