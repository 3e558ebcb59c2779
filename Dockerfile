# syntax=docker/dockerfile:1
# Fluent Bit with Seclog. The bases are arguments, so that a release pins them:
#   --build-arg GO_DIGEST=@sha256:… --build-arg FLUENT_BIT_DIGEST=@sha256:…
ARG GO_IMAGE=golang:1.26-bookworm
ARG GO_DIGEST=
ARG FLUENT_BIT_IMAGE=cr.fluentbit.io/fluent/fluent-bit:5.1.1
ARG FLUENT_BIT_DIGEST=

# Bookworm's C library (2.36) is older than the final image's: what is linked
# here loads there, and wherever glibc is 2.34 or newer.
FROM ${GO_IMAGE}${GO_DIGEST} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -buildmode=c-shared -trimpath -o /out/out_seclog.so . \
 && CGO_ENABLED=0 go build -trimpath -o /out/seclog ./cmd/seclog \
 && mkdir -p /out/state

FROM ${FLUENT_BIT_IMAGE}${FLUENT_BIT_DIGEST}
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="seclog" \
      org.opencontainers.image.description="Fluent Bit with an output that tags, redacts and delivers container logs to OpenSearch exactly once" \
      org.opencontainers.image.source="https://github.com/seclog/seclog" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/out_seclog.so /out/seclog /fluent-bit/bin/
COPY fluent-bit.conf fluent-bit.yaml plugins.conf /fluent-bit/etc/
# The only folder that is written to; mount a volume that outlives the container.
COPY --from=build /out/state /var/lib/seclog
EXPOSE 2020
# Each configuration names the plugin itself: Plugins_File in a .conf, plugins in YAML.
ENTRYPOINT ["/fluent-bit/bin/fluent-bit"]
CMD ["-c", "/fluent-bit/etc/fluent-bit.conf"]
