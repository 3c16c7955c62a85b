package repodata

import (
	"bytes"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// extraRoots are the elements that additional metadata in XML consists of, by type of the record.
var extraRoots = map[string]string{"group": "comps", "updateinfo": "updates"}

// CheckExtra tells what is wrong with additional metadata of a type, uncompressed, and in which line: comps (group) and updateinfo are
// whole XML documents with their root element, modules are YAML documents, a productid is a certificate. Of other types it knows nothing.
func CheckExtra(typ string, b []byte) error {
	switch {
	case extraRoots[typ] != "":
		return checkXML(b, extraRoots[typ])
	case typ == "modules":
		return checkYAML(b)
	case typ == "productid":
		if block, _ := pem.Decode(b); block == nil || block.Type != "CERTIFICATE" {
			return errors.New("line 1: no PEM certificate")
		}
	}
	return nil
}

func checkXML(b []byte, root string) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	for found := false; ; {
		token, err := d.Token()
		line, _ := d.InputPos()
		var syntax *xml.SyntaxError
		switch {
		case err == io.EOF && found:
			return nil
		case err == io.EOF:
			return fmt.Errorf("line %d: no <%s>", line, root)
		case errors.As(err, &syntax):
			return fmt.Errorf("line %d: %s", syntax.Line, syntax.Msg)
		case err != nil:
			return fmt.Errorf("line %d: %w", line, err)
		}
		if start, ok := token.(xml.StartElement); ok && !found {
			if start.Name.Local != root {
				return fmt.Errorf("line %d: <%s> where <%s> is wanted", line, start.Name.Local, root)
			}
			found = true
		}
	}
}

// checkYAML looks at what every module document has: text in UTF-8 whose lines are not indented by tabs, with a document key.
func checkYAML(b []byte) error {
	documents := 0
	n := 0
	for line := range bytes.Lines(b) {
		n++
		switch {
		case !utf8.Valid(line):
			return fmt.Errorf("line %d: not UTF-8", n)
		case line[0] == '\t':
			return fmt.Errorf("line %d: indented by a tab", n)
		case bytes.HasPrefix(line, []byte("document:")):
			documents++
		}
	}
	if documents == 0 && len(bytes.TrimSpace(b)) > 0 {
		return fmt.Errorf("line %d: no module document", n)
	}
	return nil
}
