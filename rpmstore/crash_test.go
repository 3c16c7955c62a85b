package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// asProgram makes the test binary be rpmstore.
const asProgram = "RPMSTORE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		cli.Main(newRootCmd())
	}
	testscript.Main(m, map[string]func(){
		"rpmstore": func() { os.Exit(cli.Run(newRootCmd(), os.Args[1:])) },
	})
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func mustRun(t *testing.T, args ...string) {
	t.Helper()
	if out, err := program(t, args...).CombinedOutput(); err != nil {
		t.Fatalf("rpmstore %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// crashStep is one command and the store that it starts from.
type crashStep struct {
	name string
	args []string // after --store
	base string
	refs map[string]string // after the command
	took time.Duration
}

// TestCrash kills rpmstore at random points. The store is sound after each, and the rerun ends in the same references.
// WELD_CRASH sets how often.
func TestCrash(t *testing.T) {
	killRounds(t, 10, crashSteps, checkStore, refs)
}

// killRounds runs each of the steps in turn, kills it at a random point, and runs it again. After both, check says whether the store is
// sound, and at last refs gives what the step says.
func killRounds(
	t *testing.T, rounds int, steps func(*testing.T) []*crashStep,
	check func(t *testing.T, dir, when string), refs func(t *testing.T, dir string) map[string]string,
) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	if n, err := strconv.Atoi(os.Getenv("WELD_CRASH")); err == nil {
		rounds = n
	}
	list := steps(t)
	store := filepath.Join(t.TempDir(), "store")
	for i := range rounds {
		s := list[i%len(list)]
		if err := os.RemoveAll(store); err != nil {
			t.Fatal(err)
		}
		copyTree(t, s.base, store)
		args := inStore(store, s.args)
		cmd := program(t, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(s.took) * 5 / 4)))
		cmd.Process.Kill()
		killed := cmd.Wait() != nil
		check(t, store, fmt.Sprintf("round %d: %s killed: %v", i, s.name, killed))
		out, err := program(t, args...).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "exists already") {
			t.Fatalf("round %d: %s again: %v\n%s", i, s.name, err, out)
		}
		check(t, store, fmt.Sprintf("round %d: %s again", i, s.name))
		if got := refs(t, store); !maps.Equal(got, s.refs) {
			t.Errorf("round %d: %s ends in %v, want %v", i, s.name, got, s.refs)
		}
		if i%25 == 24 {
			t.Logf("%d rounds", i+1)
		}
	}
}

// inStore gives a command its store.
func inStore(store string, args []string) []string {
	return slices.Concat(args[:1], []string{"--store", store}, args[1:])
}

// crashSteps runs every command once, without a crash.
func crashSteps(t *testing.T) []*crashStep {
	t.Helper()
	dir := t.TempDir()
	rpms := filepath.Join(dir, "rpms")
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 12 {
		body := make([]byte, 200_000)
		for j := range body {
			body[j] = byte(rng.IntN(64))
		}
		spec := rpmtest.Spec{Name: fmt.Sprintf("p%d", i)}
		for j := range 20 {
			spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/p%d/%d", i, j), Body: body[j*1000 : (j+1)*9000]})
		}
		if err := os.MkdirAll(rpms, 0o777); err != nil {
			t.Fatal(err)
		}
		rpmtest.Write(t, rpms, spec)
	}
	key := filepath.Join(dir, "key.sec")
	writeKey(t, key)
	steps := []*crashStep{
		{name: "import", args: []string{"import", "--into", "c", "--defer", rpms}},
		{name: "compact", args: []string{"compact"}},
		{name: "sign", args: []string{"sign", "--key", key}},
		{name: "branch", args: []string{"branch", "c", "d"}},
		{name: "remove", args: []string{"remove", "--collection", "c", "p1", "p2", "p3"}},
		{name: "drop", args: []string{"drop", "d"}},
		{name: "gc", args: []string{"gc"}},
	}
	store := filepath.Join(dir, "store")
	mustRun(t, "init", store)
	var out []*crashStep
	for i, s := range steps {
		s.base = filepath.Join(dir, fmt.Sprintf("base%d", i))
		copyTree(t, store, s.base)
		began := time.Now()
		mustRun(t, inStore(store, s.args)...)
		s.took = time.Since(began)
		s.refs = refs(t, store)
		if s.name != "remove" && s.name != "drop" { // these cannot be run again
			out = append(out, s)
		}
	}
	return out
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func refs(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := content.Open(dir, content.Options{NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all, err := s.Repo().Refs("")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for name, sum := range all {
		out[name] = sum.String()
	}
	return out
}

// checkStore makes every package again.
func checkStore(t *testing.T, dir, when string) {
	t.Helper()
	s, err := content.Open(dir, content.Options{NoIndex: true})
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	defer s.Close()
	if _, err := s.Repo().Fsck(context.Background(), func(err error) { t.Errorf("%s: %v", when, err) }); err != nil {
		t.Errorf("%s: %v", when, err)
	}
	var all selection
	list, err := all.packages(s, nil)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	for _, c := range distinct(list) {
		checked, err := c.pkg.Check(context.Background(), nil)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		for _, k := range checked {
			if k.Err != nil {
				t.Errorf("%s: %v", when, k.Err)
			}
		}
	}
}
