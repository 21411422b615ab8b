# One image for all roles: quick serve --role=…. As uid 10001, which is also what the Helm chart runs it as.
#
#   docker build --tag quick:0.1.0 .

# Everything is installed into one folder, from wheels only: no stage needs a compiler.
FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv /opt/quick
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY cli cli
COPY commands commands
COPY core core
COPY k8s k8s
COPY projections projections
COPY services services
RUN /opt/quick/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: -c constraints.txt . \
    && /opt/quick/bin/pip uninstall --yes --quiet pip

FROM python:3.11-slim
COPY --from=build /opt/quick /opt/quick
# Home and views: two folders that volumes take the places of in a cluster, where all else is read-only.
RUN groupadd --gid 10001 quick \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin quick \
    && install --directory --owner=10001 --group=10001 /var/lib/quick
ENV PATH=/opt/quick/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    QUICK_DATA_DIR=/var/lib/quick
USER 10001:10001
WORKDIR /var/lib/quick
VOLUME /var/lib/quick
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
ENTRYPOINT ["quick"]
CMD ["serve", "--role=all", "--host=0.0.0.0", "--port=8080"]
