// Command toml2spec turns package documents in TOML into RPM specs.
package main

import "github.com/weld-linux/weld-bridge/internal/cli"

func main() { cli.Main(newRootCmd()) }
