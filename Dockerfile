# The sidecar alone, without demo, tests or training code. `make image`; compose.yaml wants some of its extras, too.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
COPY envoy envoy
COPY examples examples
ARG EXTRAS=""
RUN python -m venv /opt/sidecar && /opt/sidecar/bin/pip install --no-cache-dir ".${EXTRAS:+[$EXTRAS]}"

FROM python:3.13-slim
LABEL org.opencontainers.image.title="envoy-llm-sidecar" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/sidecar /opt/sidecar
# A number, so that Kubernetes can check runAsNonRoot; no home and nothing to write but the socket's folder.
USER 65532:65532
ENV PATH=/opt/sidecar/bin:$PATH PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["sidecar"]
# Probes come from outside the container; the port has nothing but health and counts.
CMD ["serve", "--policy", "/etc/sidecar/router.yaml", "--http", "0.0.0.0:9902"]
