// Rpmstore keeps RPM packages in an OSTree repository and gives them back byte for byte.
package main

import (
	"os"
	"runtime/debug"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // what is alive is small: this costs some 40 MB and saves a tenth of an import's work
	}
	cli.Main(newRootCmd())
}
