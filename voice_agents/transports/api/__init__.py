"""The WebSocket API of the seed plan, for other programs: ``/ws/sandwich``, ``/ws/realtime``, and ``/health``."""
