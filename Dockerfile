# The sidecar, its model, and what `sidecar envoy` and Kubernetes need; no pip, no compiler, no training code. docs/image.md
# `make image-base` writes the digest that the tag has now.
ARG BASE=python:3.13.16-slim-trixie@sha256:bf44cdfcb76cd3b41e879bc058fc37ec5872002ccfde7fcb765e218cde0cd79c

FROM ${BASE} AS build
# compose.yaml sets it: also the stand-in providers.
ARG DEMO=""
WORKDIR /src
COPY requirements.txt requirements-build.txt requirements-demo.txt ./
# pip works from a place of its own, and stays there.
RUN python -m venv /opt/build && python -m venv --without-pip /opt/sidecar
RUN /opt/build/bin/pip --python /opt/sidecar install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
      --requirement requirements.txt ${DEMO:+--requirement requirements-demo.txt} \
 && /opt/build/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
      --requirement requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
COPY envoy envoy
COPY examples examples
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-index --no-build-isolation --wheel-dir dist . \
 && /opt/build/bin/pip --python /opt/sidecar install --no-cache-dir --no-deps --no-index dist/*.whl \
 && rm -r /opt/sidecar/lib/python3*/site-packages/sidecar/finetuning \
 && if [ -z "$DEMO" ]; then rm -r /opt/sidecar/lib/python3*/site-packages/sidecar/demo; fi

FROM ${BASE}
ARG BASE
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="envoy-llm-sidecar" \
      org.opencontainers.image.description="Sends each LLM request to the cheapest model that will answer it well" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
# Whoever gets in shall not find a package manager for Python.
RUN rm -r /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip
COPY --from=build /opt/sidecar /opt/sidecar
# NumPy's OpenBLAS would start a thread for every processor of the node, and has nothing for them to do.
ENV PATH=/opt/sidecar/bin:$PATH PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1
# A number, so that Kubernetes can check runAsNonRoot; no home, and nothing to write but what is mounted.
USER 65532:65532
# No HEALTHCHECK: Kubernetes ignores it, compose.yaml has its own, and not every command serves.
ENTRYPOINT ["sidecar"]
# Probes come from outside the container; the port shows health and counts, and the console to who has its token.
CMD ["serve", "--policy", "/etc/sidecar/router.yaml", "--http", "0.0.0.0:9902"]
