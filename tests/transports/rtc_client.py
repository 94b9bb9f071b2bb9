"""A browser without a browser: the caller of ``python app.py --doctor``, for tests."""

from voice_agents.doctor.webrtc import FRAME, RATE, FedMicrophone, RtcCaller

__all__ = ["FRAME", "RATE", "FedMicrophone", "RtcCaller"]
