# The whole app. What stands in for missing keys comes with the packages: nothing is downloaded when it runs.
FROM python:3.11-slim-bookworm

ENV HOME=/data \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATABASE_URL=sqlite:////data/conversations.sqlite3 \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_NUM_PORTS=1

WORKDIR /app

# before the code, so that a change of the code installs nothing again
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /venv && /venv/bin/python -m pip install -r requirements.txt

COPY app.py .
COPY voice_agents voice_agents

RUN mkdir -p /data && chown 1000:1000 /data
USER 1000:1000
VOLUME /data

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["/venv/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/health', timeout=4)"]

# the app is process 1 and takes the signal itself: whoever talks may end the sentence, at most 10 s
STOPSIGNAL SIGTERM
CMD ["/venv/bin/python", "app.py"]
