// Package cli is what the tools share at the command line: exit status, signals, the flags and reports of
// bulk runs, man pages.
//
// Standard output is data, standard error is words. The exit status is 0 when all is done, 1 when the work
// failed, 2 for wrong usage and 3 when some of many items failed and are listed.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"
)

// Exit status of every tool.
const (
	ExitDone       = 0
	ExitFailed     = 1
	ExitUsage      = 2
	ExitSomeFailed = 3
)

// Version is the release, set by the linker.
var Version = "0.1.0"

type usageError struct{ error }

// Usagef makes an error that ends the program with status 2.
func Usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// ErrSomeFailed ends the program with status 3. What failed has been listed.
var ErrSomeFailed = errors.New("some items failed")

// ErrReported ends the program with status 1. Why has been said.
var ErrReported = errors.New("failed")

// Main runs a tool and ends the process. The first interrupt ends the context of the command, which
// finishes what is under way; the second one kills.
func Main(root *cobra.Command) {
	os.Exit(Run(root, os.Args[1:]))
}

// Run runs a tool with arguments and gives its exit status.
func Run(root *cobra.Command, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root.Version = Version
	root.SilenceErrors, root.SilenceUsage = true, true
	root.AddCommand(newManCmd(), newReportCmd())
	// cobra reports wrong flags, arguments and command names before it calls RunE.
	began := false
	for _, cmd := range root.Commands() {
		requireCommand(cmd)
	}
	markStart(root, &began)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return report(cmd, root, err, began)
}

// requireCommand makes a command that has only others below it say so when one is called that it does not have. cobra does it for the root
// alone, and gives help and status 0 elsewhere.
func requireCommand(cmd *cobra.Command) {
	if cmd.Runnable() || !cmd.HasSubCommands() {
		return
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return Usagef("unknown command %q for %q", args[0], cmd.CommandPath())
		}
		return cmd.Help()
	}
	for _, sub := range cmd.Commands() {
		requireCommand(sub)
	}
}

func markStart(cmd *cobra.Command, began *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(c *cobra.Command, args []string) error {
			*began = true
			return run(c, args)
		}
	}
	for _, sub := range cmd.Commands() {
		markStart(sub, began)
	}
}

func report(cmd, root *cobra.Command, err error, began bool) int {
	var usage usageError
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, ErrSomeFailed):
		return ExitSomeFailed
	case errors.Is(err, ErrReported):
		return ExitFailed
	case errors.As(err, &usage) || !began:
		fmt.Fprintf(root.ErrOrStderr(), "%s: %s\nSee '%s --help'.\n", root.Name(), oneLine(err), cmd.CommandPath())
		return ExitUsage
	}
	fmt.Fprintf(root.ErrOrStderr(), "%s: %s\n", root.Name(), oneLine(err))
	return ExitFailed
}

// oneLine keeps a message on the line that it was promised: cobra's suggestions and joined errors have more. What input
// could have a terminal do is not done.
func oneLine(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if words := strings.Fields(line); len(words) > 0 {
			parts = append(parts, Printable(strings.Join(words, " ")))
		}
	}
	return strings.Join(parts, "; ")
}

// Printable gives text with a question mark in place of every control character, as a terminal may be shown it.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// StoreFlag is the --store flag, for which WELD_STORE may stand in.
type StoreFlag struct{ path string }

// Add declares the flag.
func (s *StoreFlag) Add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.path, "store", "", "the content store's `DIR`ectory (default: $WELD_STORE)")
}

// Path gives the store's place; none at all is wrong usage.
func (s *StoreFlag) Path() (string, error) {
	if s.path != "" {
		return s.path, nil
	}
	if path := os.Getenv("WELD_STORE"); path != "" {
		return path, nil
	}
	return "", Usagef("no store: give --store or set WELD_STORE")
}
