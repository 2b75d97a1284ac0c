# One image recipe for every service: docker build --build-arg SERVICE=ingress .
# The sources run as they are, so there is no build step.
ARG NODE_IMAGE=node:26-bookworm-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /gateway
COPY package.json package-lock.json .npmrc ./
COPY libs/protocol/package.json libs/protocol/
COPY libs/bus/package.json libs/bus/
COPY libs/dialects/package.json libs/dialects/
COPY libs/providers/package.json libs/providers/
COPY libs/telemetry/package.json libs/telemetry/
COPY libs/runtime/package.json libs/runtime/
COPY libs/testing/package.json libs/testing/
COPY services/ingress/package.json services/ingress/
COPY services/rate-limiter/package.json services/rate-limiter/
COPY services/cache/package.json services/cache/
COPY services/provider-worker/package.json services/provider-worker/
COPY services/audit-writer/package.json services/audit-writer/
COPY services/all-in-one/package.json services/all-in-one/
COPY infra/provision/package.json infra/provision/
COPY infra/stack/package.json infra/stack/
COPY tests/package.json tests/
# The image has its own Node, so the platform packages that pin one are left out.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM ${NODE_IMAGE}
WORKDIR /gateway
COPY --from=dependencies /gateway/node_modules node_modules
COPY package.json ./
COPY libs libs
COPY services services
COPY infra/nats infra/nats
COPY infra/provision infra/provision
COPY config/gateway.example.yaml /etc/gateway/gateway.yaml
RUN mkdir -p /var/log/gateway /var/lib/gateway && chown 65532:65532 /var/log/gateway /var/lib/gateway
USER 65532:65532
# Last, so that the images of all services share the layers above.
ARG SERVICE=all-in-one
# As infra/npm/memory-settings.mjs explains them.
ENV NODE_OPTIONS="--expose-gc --v8-pool-size=1" MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
ENV NODE_ENV=production SERVICE=${SERVICE} GATEWAY_DATA_DIR=/var/lib/gateway GATEWAY_SPOOL_DIR=/var/lib/gateway/spool
# exec, so that node is process 1 and gets the signals.
CMD ["sh", "-c", "exec node services/$SERVICE/src/main.ts"]
