package progress

import (
	"strings"
	"testing"
	"time"
)

func TestState(t *testing.T) {
	var out strings.Builder
	m := New(&out, false, "tool", 200)
	for i := range 50 {
		m.Add(i == 0)
	}
	if got, want := m.state(10*time.Second), "50/200, 5.0/s, 30s left, 1 failed"; got != want {
		t.Errorf("state %q, want %q", got, want)
	}
	if out.Len() != 0 {
		t.Errorf("a short run talks: %q", out.String())
	}
}

func TestPrintKeepsTheBarApart(t *testing.T) {
	var out strings.Builder
	m := New(&out, true, "tool", 4)
	m.shown = time.Time{}
	m.Add(false)
	m.Print("x: bad")
	m.Close()
	got := out.String()
	if !strings.Contains(got, "tool [#######") || !strings.HasSuffix(got, "\r\x1b[Kx: bad\n") {
		t.Errorf("%q", got)
	}
}
