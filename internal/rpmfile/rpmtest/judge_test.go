package rpmtest_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// judge runs a program of rpm's, or ends the test when it is missing.
func judge(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(judges.Need(t, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, &stderr)
	}
	return string(out)
}

func TestSamples(t *testing.T) {
	for name, spec := range rpmtest.Samples() {
		t.Run(name, func(t *testing.T) {
			path := rpmtest.Write(t, t.TempDir(), spec)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r := bytes.NewReader(data)
			p, err := rpmfile.Read(r)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := rpmfile.Decompress(r, p.Payload().Compressor)
			if err != nil {
				t.Fatal(err)
			}
			archive, err := io.ReadAll(plain)
			if err != nil {
				t.Fatal(err)
			}
			if spec.Format == 6 {
				judge(t, "rpm", "-qp", "--nosignature", "--nodigest", path)
				return
			}
			query := judge(t, "rpm", "-qp", "--dbpath", t.TempDir(), "--qf", "%{nevra}\n[%{filenames}\n]", path)
			want := strings.Replace(p.NEVRA().String(), ".src", ".x86_64", 1) + "\n"
			paths, err := p.Paths()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range paths {
				want += f + "\n"
			}
			if diff := cmp.Diff(want, query); diff != "" {
				t.Errorf("rpm -qp (-want +got):\n%s", diff)
			}
			if out := judge(t, "rpmkeys", "--dbpath", t.TempDir(), "-Kv", path); strings.Contains(out, "BAD") {
				t.Error(out)
			}
			if !spec.Long { // rpm2cpio refuses these
				if got := judge(t, "rpm2cpio", path); got != string(archive) {
					t.Errorf("rpm2cpio gives %d bytes, we read %d", len(got), len(archive))
				}
			}
			files, err := p.Files()
			if err != nil {
				t.Fatal(err)
			}
			rpmtest.Rewrite(t, archive, files)
		})
	}
}
