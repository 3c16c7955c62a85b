package main

import (
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

func newSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the package document",
		Long: `Print the JSON Schema of the package document.

Editors check and complete by it. With taplo or Even Better TOML, begin the
document with the line

  #:schema ./package.schema.json`,
		Example: "  toml2spec schema > package.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(pkgtoml.Schema())
			return err
		},
	}
}
