# The server, for a volume on /var/lib/turnout; compose.yaml and compose.postgresql.yaml use it. See docs/deploying.md.

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/turnout
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN /opt/turnout/bin/pip install --no-cache-dir --constraint constraints.txt '.[postgresql]'

FROM python:3.11.14-slim-bookworm
# A number that no other image is likely to have: files on a volume are told apart by it.
RUN groupadd --gid 10001 turnout \
 && useradd --uid 10001 --gid turnout --no-create-home --home-dir /var/lib/turnout --shell /usr/sbin/nologin turnout \
 && install --directory --owner turnout --group turnout --mode 0700 /var/lib/turnout
COPY --from=build /opt/turnout /opt/turnout
ENV PATH="/opt/turnout/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    TURNOUT_HOST=0.0.0.0 \
    TURNOUT_PORT=8000 \
    TURNOUT_DATABASE=/var/lib/turnout/turnout.duckdb \
    TURNOUT_DATA_DIRECTORY=/var/lib/turnout
USER 10001:10001
WORKDIR /var/lib/turnout
VOLUME /var/lib/turnout
EXPOSE 8000
# Of /live, not /ready: a server whose database is away recovers by itself, and is not to be replaced meanwhile.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/live'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["turnout"]
CMD ["serve"]
