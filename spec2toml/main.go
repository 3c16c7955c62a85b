// Command spec2toml turns RPM specs into package documents in TOML.
package main

import "github.com/weld-linux/weld-bridge/internal/cli"

func main() { cli.Main(newRootCmd()) }
