"""Turn-taking as sans-I/O state machines: no sockets, no tasks, no clock of their own.

How a conversation walks through the room:

1. ``vad.VoiceActivity`` gets every microphone sample (16 kHz) and says where speech starts and stops, to a few
   milliseconds. Its ``position`` (samples received) is the clock of the user's side.
2. ``endpointing.Endpointer`` gets those starts and stops and the partial transcript, and says at which position the
   user's turn is over: after the configured silence, shorter when the words are clearly complete, longer when not.
3. ``floor.Floor`` decides who may speak. It stops the agent first (PAUSE) and decides afterwards, from the words,
   whether the agent goes on (RESUME) or is over (CANCEL, MERGE).
4. ``sentences.SpeechSplitter`` cuts the model's tokens into pieces that can be spoken; ``english`` puts into words what
   voices read badly, and ``said.WayBack`` leads from the words that were said to those that were written.
5. ``playout.Playout`` hands the agent's audio (24 kHz) out at real time, and knows which words have been played: what
   stands in memory after an interruption.
6. ``latency`` defines every figure that is measured along this way; ``slowness`` says which was longer than usual.

Nothing here waits: each machine takes what happened and when, and returns what follows; where time alone decides, it
says when it wants to be called again (``deadline``, ``wake_at``). So tests run at any speed, and so does a replay.
"""
