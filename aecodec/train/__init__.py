"""Reproduce or fine-tune the weights on a folder of pictures."""
