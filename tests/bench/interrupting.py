"""What people say to somebody who is speaking: murmurs, single words, sentences that cut in; learned from."""

from __future__ import annotations

from tests.bench.scenes import BACKCHANNELS

MURMURS = (
    *BACKCHANNELS, "mm-hmm", "mhm", "mm", "hmm", "huh", "ah", "ok", "wow", "yep", "got it", "all right", "yeah yeah",
    "right right", "oh okay", "makes sense", "of course", "really", "uh huh, uh huh", "yeah, okay", "oh wow",
    "oh really", "i know", "sure", "okay okay", "oh i see", "right, okay", "yeah right", "true", "exactly",
    "aha, okay", "nice", "cool", "yup", "oh yeah", "I see, I see", "hm", "okay.", "yeah?", "oh?", "right?",
)  # fmt: skip
ALONE = (
    "stop", "wait", "no", "hold on", "hey", "listen", "excuse me", "sorry", "what", "pause", "quiet", "enough",
    "cancel", "never mind", "hang on", "one moment", "hello", "why", "who", "please", "thanks", "no no", "stop it",
    "wait wait", "be quiet", "go back", "repeat", "skip", "next", "help", "but", "actually", "louder", "slower",
    "shut up", "thank you", "stop please", "wait a second", "not that", "nope",
)  # fmt: skip
INTERRUPTING = (
    "but what about the price", "can you say that again", "that is not right", "i have another question",
    "let me ask you something", "what do you mean by that", "could you speak more slowly", "how long will that take",
    "i already know that", "skip to the end", "tell me the short version", "when was that", "who told you so",
    "is that really true", "give me an example", "please start again", "don't read all of it",
    "you said something else before", "turn it off", "let's talk about something else", "wait i wanted to ask",
    "stop i have to go", "no i meant the other one", "hold on a second", "excuse me where is that",
    "sorry i did not get that", "hey can you hear me", "that's enough for now", "never mind i found it",
    "thanks that will do", "which one was cheaper", "go back to the first point", "why is that so", "how much is it",
    "i want to change my order", "set a timer for ten minutes", "play some music", "what's the weather tomorrow",
    "actually make it two", "one more thing before you go on", "where does it start", "show me the next one",
    "call my brother", "my number is different", "there is somebody at the door", "we should stop here",
    "it was not me", "he never said that", "they are coming later", "are you sure about that",
    "do you have anything else", "okay so what happens next", "right but how does it work",
    "yeah but i don't want that", "oh i forgot to tell you something", "well it depends",
)  # fmt: skip
