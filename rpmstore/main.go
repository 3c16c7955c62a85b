// Rpmstore keeps RPM packages in an OSTree repository and gives them back byte for byte.
package main

import (
	"os"
	"runtime/debug"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// What is alive is small, mostly: this costs some 20 MB and saves a twentieth of an import's work. With more, a package of 50,000
		// files would take more than 200 MB.
		debug.SetGCPercent(200)
	}
	cli.Main(newRootCmd())
}
