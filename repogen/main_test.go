package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"repogen": main, "createrepo_c": main, "mergerepo_c": main, "modifyrepo_c": main,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mkrpm": mkrpm, "mkstore": mkstore, "pack": packStore, "status": status, "count": count,
		},
	})
}

// mkrpm writes packages: mkrpm DIR NAME[-VERSION]...
func mkrpm(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	for _, arg := range args[1:] {
		name, version, _ := strings.Cut(arg, "-")
		spec := rpmtest.Spec{Name: name, Version: version}
		if version == "" {
			spec.Version = "1.0"
		}
		if name == "odd" {
			spec = rpmtest.Samples()[name] // its files have names that XML cannot carry
			spec.Version = "1.0"
		}
		b, err := rpmtest.Encode(spec)
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(dir, name+"-"+spec.Version+"-1.x86_64.rpm"), b, 0o666))
	}
}

// mkstore imports packages: mkstore STORE COLLECTION RPM...
func mkstore(ts *testscript.TestScript, _ bool, args []string) {
	dir, ctx := ts.MkAbs(args[0]), context.Background()
	ts.Check(content.Init(dir))
	store, err := content.Open(dir, content.Options{NoSync: true})
	ts.Check(err)
	defer store.Close()
	session, err := store.Session(ctx, args[1], 1)
	ts.Check(err)
	for _, arg := range args[2:] {
		f, err := os.Open(ts.MkAbs(arg))
		ts.Check(err)
		info, err := f.Stat()
		ts.Check(err)
		_, err = session.Import(ctx, f, info.Size(), content.ImportOptions{Defer: true})
		ts.Check(err)
		ts.Check(f.Close())
	}
	ts.Check(session.Close())
}

// packStore packs all collections: pack STORE
func packStore(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(packAll(ts.MkAbs(args[0])))
}

func packAll(dir string) error {
	store, err := content.Open(dir, content.Options{NoSync: true})
	if err != nil {
		return err
	}
	names, err := store.Collections()
	if err == nil {
		_, err = store.Pack(context.Background(), names, content.PackOptions{})
	}
	return errors.Join(err, store.Close())
}

// status runs a command that must end with a status: status N COMMAND...
func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("%v: status %s, want %s", args[1:], got, args[0])
	}
}

// count checks how many files match: count N GLOB
func count(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if n := len(files); args[0] != string(rune('0'+n)) {
		ts.Fatalf("%d files match %s: %v", n, args[1], files)
	}
}

// TestServe runs the program as a user does.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	b, err := rpmtest.Encode(rpmtest.Spec{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := content.Init(dir + "/store"); err != nil {
		t.Fatal(err)
	}
	store, err := content.Open(dir+"/store", content.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	session, err := store.Session(context.Background(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Import(context.Background(), strings.NewReader(string(b)), int64(len(b)), content.ImportOptions{Defer: true}); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("repogen")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", "--store", dir+"/store", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("first line: %q", line)
	}
	resp, err := http.Get(url + "c/repodata/repomd.xml")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	if err := packAll(dir + "/store"); err != nil {
		t.Fatal(err)
	}
	resp, err = http.Get(url + "c/Packages/a/a-1.0-1.x86_64.rpm")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != string(b) {
		t.Errorf("a package that was packed meanwhile: status %d, %d bytes, %v", resp.StatusCode, len(got), err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()

	address := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
	second, err := exec.Command(program, "serve", "--store", dir+"/store", "--listen", address).CombinedOutput()
	if err == nil || !strings.Contains(string(second), "address already in use") || strings.Count(string(second), "\n") != 1 {
		t.Errorf("port in use: %v, %q", err, second)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it does not stop")
	}
}
