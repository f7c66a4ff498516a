# Two images from one file: `engine` (the rule engine, its sandbox pagers, the evidence store) and `shop`
# (the demo shop's services). Each holds what its extra of pyproject.toml names, at the lock's versions.
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS packages
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY pyproject.toml requirements.lock ./
# This pip takes pins and hashes from constraints; those of Python 3.13's images do not.
RUN python -m venv /opt/shopwatch && /opt/shopwatch/bin/pip install --quiet pip==26.3 \
 && for extra in engine shop; do \
      python -c 'import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
print(*project["dependencies"], *project["optional-dependencies"][sys.argv[1]], sep="\n")' "$extra" >"$extra.txt"; \
    done
COPY README.md LICENSE ./
COPY instrumentation ./instrumentation
COPY rule_engine ./rule_engine
RUN python -m pip wheel --quiet --no-deps --wheel-dir /build/wheels .

FROM packages AS engine-packages
RUN /opt/shopwatch/bin/pip install --quiet --only-binary :all: --constraint requirements.lock --requirement engine.txt \
 && /opt/shopwatch/bin/pip install --quiet --no-deps wheels/*.whl

FROM packages AS shop-packages
RUN /opt/shopwatch/bin/pip install --quiet --only-binary :all: --constraint requirements.lock --requirement shop.txt \
 && /opt/shopwatch/bin/pip install --quiet --no-deps wheels/*.whl

FROM ${PYTHON} AS base
LABEL org.opencontainers.image.title="shopwatch" \
      org.opencontainers.image.description="Observability and alerting for e-commerce platforms" \
      org.opencontainers.image.licenses="Apache-2.0"
# The number is the one that collector/secrets/make.sh gives the keys to.
RUN groupadd --gid 10100 shopwatch \
 && useradd --uid 10100 --gid 10100 --no-create-home --home-dir /var/lib/shopwatch --shell /usr/sbin/nologin shopwatch \
 && install --directory --owner shopwatch --group shopwatch --mode 750 /var/lib/shopwatch /var/lib/shopwatch-evidence
ENV PATH=/opt/shopwatch/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10100:10100

FROM base AS shop
LABEL org.opencontainers.image.title="shopwatch-shop"
COPY --from=shop-packages /opt/shopwatch /opt/shopwatch
COPY examples/shop /opt/shop/shop
ENV PYTHONPATH=/opt/shop
WORKDIR /opt/shop
ENTRYPOINT ["python", "-m"]
CMD ["shop", "gateway"]

FROM base AS engine
COPY --from=engine-packages /opt/shopwatch /opt/shopwatch
COPY alert_rules /etc/shopwatch/alert_rules
WORKDIR /var/lib/shopwatch
VOLUME ["/var/lib/shopwatch"]
EXPOSE 9095
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9095/-/healthy', timeout=3)"]
ENTRYPOINT ["shopwatch"]
CMD ["run"]
