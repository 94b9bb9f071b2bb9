"""A loopback server that speaks the vendors' own protocols, powered by engines that run on this machine."""
