# A static binary and the certificates of public authorities; nothing else, no shell, no root.
#
#   docker build --build-arg VERSION=$(git describe --tags --always --dirty) -t penstock .
#
# The binary looks up no time zone and writes no file but what pipelines name, so neither zone data nor a home is here.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN make build VERSION=$VERSION

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/bin/engine /engine
USER 65532:65532
EXPOSE 8083
ENTRYPOINT ["/engine"]
CMD ["worker", "/etc/penstock/worker.hcl"]
