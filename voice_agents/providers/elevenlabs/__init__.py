"""The clients of ElevenLabs: speech-to-text and text-to-speech."""
