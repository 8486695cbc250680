// A small web application, HTTP and gRPC, to be installed into clusters; and its own probe of others like it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

const (
	version  = "1.0.0"
	patience = 5 * time.Second
)

const usage = `web [serve]          HTTP on $HTTP_ADDRESS (:8080) and gRPC on $GRPC_ADDRESS (:9090), called $NAME (web)
web get URL          print what an HTTP server answers
web resolve NAME     print the addresses of a name
web check HOST:PORT  ask a gRPC server whether it is healthy`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 || (len(arguments) == 1 && arguments[0] == "serve") {
		return serve(ctx)
	}
	if len(arguments) != 2 {
		return errors.New("usage:\n" + usage)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch verb, target := arguments[0], arguments[1]; verb {
	case "get":
		return get(ctx, target)
	case "resolve":
		return resolve(ctx, target)
	case "check":
		return check(ctx, target)
	default:
		return errors.New("usage:\n" + usage)
	}
}

// serve answers until it is told to stop, and then finishes what it has begun.
func serve(ctx context.Context) error {
	listener, err := net.Listen("tcp", setting("GRPC_ADDRESS", ":9090"))
	if err != nil {
		return err
	}
	healthy := health.NewServer()
	rpc := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(rpc, healthy)
	reflection.Register(rpc)
	web := &http.Server{Addr: setting("HTTP_ADDRESS", ":8080"), Handler: routes(), ReadHeaderTimeout: patience}

	failed := make(chan error, 2)
	go func() { failed <- rpc.Serve(listener) }()
	go func() { failed <- web.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	healthy.Shutdown()
	rest, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = web.Shutdown(rest)
	rpc.GracefulStop()
	return err
}

func routes() http.Handler {
	pod, _ := os.Hostname()
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", func(answer http.ResponseWriter, request *http.Request) {
		answer.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(answer).Encode(map[string]string{
			"name":    setting("NAME", "web"),
			"version": version,
			"pod":     pod,
			"host":    request.Host,
			"client":  request.RemoteAddr,
		})
	})
	fine := func(answer http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(answer, "ok\n") }
	routes.HandleFunc("GET /healthz", fine)
	routes.HandleFunc("GET /readyz", fine)
	return routes
}

func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

func resolve(ctx context.Context, name string) error {
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	for _, address := range addresses {
		fmt.Println(address)
	}
	return err
}

func check(ctx context.Context, target string) error {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	answer, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	fmt.Println(answer.GetStatus())
	if answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return errors.New("not serving")
	}
	return nil
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
