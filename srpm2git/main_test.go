package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"srpm2git": func() { cli.Main(newRootCmd()) },
	})
}

// TestScripts runs testdata/*.txtar, each beside the source RPMs hello-1.0-1 and hello-1.1-1.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			for _, version := range []string{"1.0", "1.1"} {
				data, err := helloSRPM(version)
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(env.WorkDir, "hello-"+version+"-1.src.rpm"), data, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

func helloSRPM(version string) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	body := "hello " + version + "\n"
	h := &tar.Header{Name: "hello-" + version + "/README", Mode: 0o644, Size: int64(len(body)), ModTime: time.Unix(1600000000, 0)}
	if err := w.WriteHeader(h); err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte(body)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	spec := "Name: hello\nVersion: " + version + "\nRelease: 1\nSummary: Greets\nLicense: MIT\nSource0: hello-%{version}.tar.gz\nPatch1: more.patch\n" +
		"%description\nA greeting.\n%prep\n%autosetup -p1\n%changelog\n* Mon Nov 02 2026 A <a@b> - " + version + "-1\n- Made\n"
	patch := "--- a/README\n+++ b/README\n@@ -1 +1,2 @@\n hello " + version + "\n+and more\n"
	return rpmtest.Encode(rpmtest.Spec{
		Name: "hello", Version: version, Release: "1", Source: true, Summary: "Greets", Description: "A greeting.", License: "MIT",
		Files: []rpmtest.File{
			{Path: "hello-" + version + ".tar.gz", Body: b.Bytes()},
			{Path: "more.patch", Body: []byte(patch)},
			{Path: "hello.spec", Body: []byte(spec), Flags: rpmfile.FileSpec},
		},
	})
}
