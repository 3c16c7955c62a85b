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

// killed runs rpmstore and kills it at a random point within a time; false when it had ended before.
func killed(t *testing.T, within time.Duration, args ...string) bool {
	t.Helper()
	cmd := program(t, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rand.N(within))
	cmd.Process.Kill()
	return cmd.Wait() != nil
}

// crashStep is one command and the directory that it starts from.
type crashStep struct {
	name string
	args []string // {} stands for the directory
	base string
	refs map[string]string // after the command
	took time.Duration
}

func (s *crashStep) in(dir string) []string {
	args := slices.Clone(s.args)
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "{}", dir)
	}
	return args
}

// crashPlan is a chain of commands that work in dir.
type crashPlan struct {
	dir   string
	refs  func(t *testing.T, dir string) map[string]string
	steps []*crashStep // those that are to be killed
}

// run runs a command without a crash.
func (p *crashPlan) run(t *testing.T, kill bool, name string, args ...string) {
	t.Helper()
	s := &crashStep{name: name, args: args}
	if kill {
		s.base = filepath.Join(t.TempDir(), "base")
		copyTree(t, p.dir, s.base)
		p.steps = append(p.steps, s)
	}
	began := time.Now()
	mustRun(t, s.in(p.dir)...)
	s.took = time.Since(began)
	s.refs = p.refs(t, p.dir)
}

// TestCrash kills rpmstore at random points. The store is sound after each, and the rerun ends in the same references.
// WELD_CRASH sets how often.
func TestCrash(t *testing.T) {
	killRounds(t, 10, crashSteps, checkStore)
}

// killRounds runs each step of a plan in turn, kills it at a random point, and runs it again. After both, check says whether all is
// sound, and at last the references are those of the step.
func killRounds(t *testing.T, rounds int, plan func(*testing.T) *crashPlan, check func(t *testing.T, dir, when string)) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	if n, err := strconv.Atoi(os.Getenv("WELD_CRASH")); err == nil {
		rounds = n
	}
	p := plan(t)
	dir := filepath.Join(t.TempDir(), "dir")
	hit := 0
	for i := range rounds {
		s := p.steps[i%len(p.steps)]
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		copyTree(t, s.base, dir)
		if killed(t, s.took*5/4, s.in(dir)...) {
			hit++
		}
		check(t, dir, fmt.Sprintf("round %d: %s killed", i, s.name))
		out, err := program(t, s.in(dir)...).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "exists already") {
			t.Fatalf("round %d: %s again: %v\n%s", i, s.name, err, out)
		}
		check(t, dir, fmt.Sprintf("round %d: %s again", i, s.name))
		if got := p.refs(t, dir); !maps.Equal(got, s.refs) {
			t.Errorf("round %d: %s ends in %v, want %v", i, s.name, got, s.refs)
		}
		if i%25 == 24 {
			t.Logf("%d rounds, %d killed before their end", i+1, hit)
		}
	}
}

// inStore gives a command its store.
func inStore(store string, args []string) []string {
	return slices.Concat(args[:1], []string{"--store", store}, args[1:])
}

// crashSteps runs every command once, without a crash.
func crashSteps(t *testing.T) *crashPlan {
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
	plan := &crashPlan{dir: filepath.Join(dir, "store"), refs: refs}
	mustRun(t, "init", plan.dir)
	for _, s := range []struct {
		once bool // it cannot be run again
		args []string
	}{
		{args: []string{"import", "--into", "c", "--defer", rpms}},
		{args: []string{"compact"}},
		{args: []string{"sign", "--key", key}},
		{args: []string{"branch", "c", "d"}},
		{once: true, args: []string{"remove", "--collection", "c", "p1", "p2", "p3"}},
		{once: true, args: []string{"drop", "d"}},
		{args: []string{"gc"}},
	} {
		plan.run(t, !s.once, s.args[0], inStore("{}", s.args)...)
	}
	return plan
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
