# One small image with every program that is shipped; simulator and demo are not.
# The default is portal; "docker build --target desk" or "--target dispatcher"
# gives the same files with another entry point.
#
# Name both base images by digest when you release:
#   --build-arg GO_IMAGE=golang:1.26-bookworm@sha256:…
ARG GO_IMAGE=golang:1.26-bookworm

FROM ${GO_IMAGE} AS build
ARG VERSION=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download && go mod verify
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags="-s -X sikkerpost.dk/gateway/internal/build.stamped=${VERSION}" -o /out/bin/ ./cmd/portal ./cmd/desk ./cmd/dispatcher ./cmd/postctl ./cmd/inboxctl
RUN mkdir -p /out/etc/sikkerpost /out/var/lib/sikkerpost && chown -R 65532:65532 /out/var/lib/sikkerpost

FROM scratch AS programs
ARG VERSION=unknown
LABEL org.opencontainers.image.title="Sikkerpost" org.opencontainers.image.version="${VERSION}" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/var/lib/sikkerpost /var/lib/sikkerpost
COPY --from=build /out/etc /etc
COPY --from=build /out/bin /bin
COPY LICENSE /LICENSE
USER 65532:65532
VOLUME /var/lib/sikkerpost

FROM programs AS desk
ENTRYPOINT ["/bin/desk"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/bin/desk", "health"]

FROM programs AS dispatcher
ENTRYPOINT ["/bin/dispatcher"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/bin/dispatcher", "health"]

FROM programs AS portal
ENTRYPOINT ["/bin/portal"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/bin/portal", "health"]
