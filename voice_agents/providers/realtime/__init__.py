"""The client of OpenAI and Azure Realtime."""
