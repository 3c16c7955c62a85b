// Repogen makes, merges, publishes and serves RPM repositories. Under the names createrepo_c, mergerepo_c and
// modifyrepo_c it takes their options and returns their exit status.
package main

import (
	"os"
	"path/filepath"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

func main() {
	if newCmd, ok := standIns[filepath.Base(os.Args[0])]; ok {
		os.Exit(runStandIn(newCmd(), os.Args[1:]))
	}
	cli.Main(newRootCmd())
}
