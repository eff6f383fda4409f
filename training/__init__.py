"""How the shipped classifier is made and measured; the sidecar itself never imports this package."""
