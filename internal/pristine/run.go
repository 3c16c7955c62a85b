package pristine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// errDiffers ends an encoder whose output is not what was expected.
var errDiffers = errors.New("the output differs")

// param is one parameter of an encoder.
type param struct {
	name  string
	value int64
}

func (p param) String() string { return p.name + "=" + strconv.FormatInt(p.value, 10) }

// parseParams reads "level=19 workers=1". Names are lower case letters only, so
// that nothing else can get onto a command line.
func parseParams(s string) ([]param, error) {
	if len(s) > 1<<10 {
		return nil, errors.New("parameters: too long")
	}
	var params []param
	for word := range strings.FieldsSeq(s) {
		name, value, _ := strings.Cut(word, "=")
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" {
			return nil, fmt.Errorf("parameter %q: not name=number", word)
		}
		params = append(params, param{name, v})
	}
	return params, nil
}

func encodeWith(ctx context.Context, enc encoder, params string, threads int, in io.Reader, out io.Writer) error {
	p, err := parseParams(params)
	if err != nil {
		return err
	}
	return enc.encode(ctx, p, threads, in, out)
}

// run pipes in through a program into out. When out fails, the program is
// killed at once and that error is returned.
func run(ctx context.Context, program string, args []string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stderr := &headBuffer{}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.Stdin = in
	cmd.Stdout = &killer{w: out, cancel: cancel}
	cmd.Stderr = stderr
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		if line != "" {
			return fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, line)
		}
		return fmt.Errorf("%s %s: %w", filepath.Base(program), strings.Join(args, " "), err)
	}
	return nil
}

// killer passes data on until that fails, and then cancels.
type killer struct {
	w      io.Writer
	cancel context.CancelCauseFunc
}

func (k *killer) Write(b []byte) (int, error) {
	n, err := k.w.Write(b)
	if err != nil {
		k.cancel(err)
	}
	return n, err
}

// headBuffer keeps the first 4 KiB.
type headBuffer struct{ bytes.Buffer }

func (h *headBuffer) Write(b []byte) (int, error) {
	if room := 4<<10 - h.Len(); room > 0 {
		h.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}
