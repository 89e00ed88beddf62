"""Agreements (共享协议): who opened which device, to whom, for which hours, and who consented."""
