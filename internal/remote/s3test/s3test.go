// Package s3test runs an S3 server on the loopback interface for tests: versitygw, pinned in .ci/s3server.mod, built once into Go's cache.
package s3test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// The credentials of the server.
const (
	AccessKey = "weld"
	SecretKey = "weldsecret"
)

// Server is an S3 server with one bucket.
type Server struct {
	Endpoint string // http://127.0.0.1:PORT
	Bucket   string
	Dir      string // where the bucket's objects lie as files
}

// Start runs a server until the test ends. WELD_S3SERVER may name a versitygw; else it is built. In CI a server that cannot be built fails
// the test, elsewhere it is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	program := build(t)
	root := t.TempDir()
	s := &Server{Bucket: "bucket", Dir: filepath.Join(root, "data", "bucket")}
	if err := os.MkdirAll(s.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	s.Endpoint = "http://" + port
	cmd := exec.Command(program, "--quiet", "--port", port, "--access", AccessKey, "--secret", SecretKey, "--keep-alive",
		"posix", filepath.Join(root, "data"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	s.await(t)
	return s
}

// Setenv makes the AWS_ variables name the server.
func (s *Server) Setenv(set func(key, value string)) {
	for key, value := range map[string]string{
		"AWS_ENDPOINT_URL": s.Endpoint, "AWS_ENDPOINT_URL_S3": "", "AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey,
		"AWS_SESSION_TOKEN": "", "AWS_REGION": "us-east-1",
	} {
		set(key, value)
	}
}

func (s *Server) await(t testing.TB) {
	t.Helper()
	for range 300 {
		resp, err := http.Get(s.Endpoint)
		if err == nil {
			resp.Body.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the S3 server does not answer")
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// build gives the server's program.
func build(t testing.TB) string {
	t.Helper()
	if program := os.Getenv("WELD_S3SERVER"); program != "" {
		return program
	}
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(strings.TrimSpace(string(module)))
	cmd := exec.Command("go", "tool", "-modfile=.ci/s3server.mod", "-n", "versitygw")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		judges.Missing(t, "versitygw cannot be built: %v\n%s", err, errs.String())
	}
	return strings.TrimSpace(string(out))
}
