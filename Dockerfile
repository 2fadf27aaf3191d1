# Image of one node. Several of them, with Redis, PostgreSQL and nginx: compose.yaml. How to deploy: docs/deploy.md.
ARG NODE_VERSION=22.23.3

FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /stockcast
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY tools/generate.mjs tools/build-pages.mjs tools/
COPY prisma.config.ts vite.config.ts tsconfig.json ./
COPY prisma prisma
COPY contract contract
COPY public public
RUN node tools/generate.mjs
RUN node tools/build-pages.mjs
# What only makes the pages and the Prisma client stays in this stage: three quarters of the modules' size.
RUN npm uninstall --omit=dev --ignore-scripts --no-audit --no-fund prisma vite preact @preact/signals

FROM node:${NODE_VERSION}-bookworm-slim
ENV NODE_ENV=production \
    PORT=3000 \
    DATA_DIR=/var/lib/stockcast
WORKDIR /stockcast
COPY --from=build /stockcast/node_modules node_modules
COPY --from=build /stockcast/generated generated
COPY --from=build /stockcast/dist dist
COPY package.json tsconfig.json ./
COPY contract contract
COPY prisma prisma
COPY server server
COPY tools/access.ts tools/
COPY public/assets/demo public/assets/demo
# Of a node with Redis and PostgreSQL nothing is written there but keys that it was not given.
RUN mkdir -p /var/lib/stockcast && chown node:node /var/lib/stockcast
USER node
EXPOSE 3000
# Alive, not ready: a node that waits for its database must not be killed for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# No npm and no shell between: SIGTERM reaches the server, which drains.
CMD ["node", "--import", "tsx", "server/main.ts"]
