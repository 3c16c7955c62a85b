package main

import (
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/repo"
)

type serveFlags struct {
	storeFlags
	listen, cache, cacheSize string
}

func newServeCmd() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve --store STORE",
		Short: "Serve the collections of a content store over HTTP",
		Long: `Serve shows every collection of the store as a repository at http://LISTEN/COLLECTION/, with a page for people
at the same address. What is imported while it runs is shown at the next refresh. Package files are made again from
the store when they are asked for, checked, and kept as long as there is room in the cache.

It prints the address that it listens on, and stops at SIGTERM once the answers under way are finished.

Exit status: 0 stopped, 1 failed, 2 wrong usage.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.add(cmd)
	p := cmd.Flags()
	p.StringVar(&f.listen, "listen", "127.0.0.1:8080", "`ADDRESS` to listen on; port 0 takes a free one")
	p.StringVar(&f.cache, "cache", "", "directory for metadata and package files (default: in the store, or for the time of the run)")
	p.StringVar(&f.cacheSize, "cache-size", "10G", "bytes of package files to keep; K, M, G and T are powers of 1024")
	return cmd
}

// sizeUnits lets a size be written in small letters too.
var sizeUnits = strings.NewReplacer("k", "K", "m", "M", "g", "G", "t", "T", "b", "B", "I", "i")

func (f *serveFlags) run(cmd *cobra.Command) error {
	opts, err := f.options()
	if err != nil {
		return err
	}
	size, err := cli.ParseSize(sizeUnits.Replace(f.cacheSize))
	if err != nil {
		return cli.Usagef("--cache-size: %v", err)
	}
	stderr := cmd.ErrOrStderr()
	opts.Warn = func(s string) { fmt.Fprintf(stderr, "warning: %s\n", s) }
	store, path, err := f.openStore()
	if err != nil {
		return err
	}
	defer store.Close()
	var config net.ListenConfig
	l, err := config.Listen(cmd.Context(), "tcp", f.listen)
	if err != nil {
		return err
	}
	defer l.Close()
	dir := f.cache
	if dir == "" {
		dir = cacheDir(path)
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "repogen-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	server, err := repo.NewServer(store, repo.ServerOptions{
		Publish: opts, Dir: dir, CacheSize: size, Log: func(s string) { fmt.Fprintln(stderr, s) },
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "listening on http://%s/\n", l.Addr())
	return server.Serve(cmd.Context(), l)
}
