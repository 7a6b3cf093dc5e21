# The pipeline with exactly the packages of requirements.lock; as a container, Prefect's worker.
# The checkout that it works on is mounted: docs/scaling.md.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    # The checkout belongs to whoever mounts it.
    && git config --system --add safe.directory '*'

WORKDIR /opt/kdsharp
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY kdsharp kdsharp
COPY pipeline pipeline
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . -e pipeline

ENV DVC_NO_ANALYTICS=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    PYTHONUNBUFFERED=1 \
    # Whoever runs it may have no home.
    HOME=/tmp
WORKDIR /checkout
CMD ["sh", "-c", "python -m pipeline.services.deploy && exec python -m prefect worker start --pool kdsharp --type process --name kdsharp --with-healthcheck"]
