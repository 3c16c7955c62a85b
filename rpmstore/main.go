// Rpmstore keeps RPM packages in an OSTree repository and gives them back byte for byte.
package main

import "github.com/weld-linux/weld-bridge/internal/cli"

func main() { cli.Main(newRootCmd()) }
