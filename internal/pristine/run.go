package pristine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for us alone: what is under way ends well
	cmd.WaitDelay = 2 * time.Second
	err := pump(cmd, in, &killer{w: out, cancel: cancel})
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

// pumpSize is the size in bytes of the buffers and pipes between a program and us: few switches between the two.
const pumpSize = 256 << 10

// pump runs a program between in and out, as exec.Cmd does with its 32 KiB. A program that ends before its input is no error by itself.
func pump(cmd *exec.Cmd, in io.Reader, out io.Writer) error {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	widen(stdin)
	widen(stdout)
	if err := cmd.Start(); err != nil {
		return err
	}
	fed := make(chan error, 1)
	go func() {
		buf := pumpBuffers.Get().(*[]byte)
		defer pumpBuffers.Put(buf)
		_, err := io.CopyBuffer(struct{ io.Writer }{stdin}, struct{ io.Reader }{in}, *buf)
		fed <- cmp.Or(ignorePipe(err), ignorePipe(stdin.Close()))
	}()
	buf := pumpBuffers.Get().(*[]byte)
	defer pumpBuffers.Put(buf)
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{stdout}, *buf)
	feeding, ended := <-fed, cmd.Wait()
	return cmp.Or(ended, err, feeding)
}

// widen makes a pipe hold pumpSize bytes, where the system allows it.
func widen(pipe any) {
	conn, ok := pipe.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pumpSize) })
	}
}

var pumpBuffers = sync.Pool{New: func() any { b := make([]byte, pumpSize); return &b }}

func ignorePipe(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
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
