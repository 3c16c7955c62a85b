// Package progress shows how far a run is: a bar on a terminal, a line now and then elsewhere.
// It draws on the time only for what it shows; nothing it knows gets into a result.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	barInterval  = 200 * time.Millisecond
	lineInterval = 15 * time.Second
	barWidth     = 30
)

// Meter counts ended items and shows the count. Its methods may be called from several goroutines.
// A nil Meter counts and shows nothing.
type Meter struct {
	out      io.Writer
	terminal bool
	label    string
	total    int
	begun    time.Time

	mu           sync.Mutex
	done, failed int
	shown        time.Time
	drawn        bool // a bar stands on the terminal's current line
}

// New begins a meter of total items that shows itself on out, as a bar if that is a terminal.
func New(out io.Writer, terminal bool, label string, total int) *Meter {
	now := time.Now()
	return &Meter{out: out, terminal: terminal, label: label, total: total, begun: now, shown: now}
}

// Add counts one ended item.
func (m *Meter) Add(failed bool) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done++
	if failed {
		m.failed++
	}
	interval := lineInterval
	if m.terminal {
		interval = barInterval
	}
	if now := time.Now(); now.Sub(m.shown) >= interval {
		m.shown = now
		m.show(now)
	}
}

// Print writes a line of text without disturbing the bar.
func (m *Meter) Print(text string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clear()
	fmt.Fprintln(m.out, text)
}

// Close takes the bar away.
func (m *Meter) Close() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clear()
}

func (m *Meter) clear() {
	if m.drawn {
		fmt.Fprint(m.out, "\r\x1b[K")
		m.drawn = false
	}
}

func (m *Meter) show(now time.Time) {
	text := m.state(now.Sub(m.begun))
	if !m.terminal {
		fmt.Fprintln(m.out, m.label+": "+text)
		return
	}
	filled := 0
	if m.total > 0 {
		filled = barWidth * m.done / m.total
	}
	fmt.Fprintf(m.out, "\r\x1b[K%s [%s%s] %s", m.label, strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), text)
	m.drawn = true
}

func (m *Meter) state(elapsed time.Duration) string {
	rate := float64(m.done) / elapsed.Seconds()
	text := fmt.Sprintf("%d/%d, %.1f/s", m.done, m.total, rate)
	if rate > 0 {
		left := time.Duration(float64(m.total-m.done) / rate * float64(time.Second))
		text += ", " + left.Round(time.Second).String() + " left"
	}
	if m.failed > 0 {
		text += fmt.Sprintf(", %d failed", m.failed)
	}
	return text
}
