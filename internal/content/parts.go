package content

import "github.com/weld-linux/weld-bridge/internal/rpmfile"

// Parts gives lead, signature header and header of an export that Exports or Select gave: all of its file but the payload,
// which is not read.
func (p *Package) Parts(e Export) (*rpmfile.Package, error) { return p.parts(e) }

// Store is the store that the collection is in.
func (c *Collection) Store() *Store { return c.store }
