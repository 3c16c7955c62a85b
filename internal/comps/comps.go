// Package comps converts comps.xml, the file that groups the packages of a distribution, to TOML and back.
//
// Every element, attribute and comment of the XML is in the TOML, in its order: ParseTOML(ParseXML(x).TOML()).XML() holds
// the same elements as x, and is equal to x byte for byte where x is in canonical form. That form is two spaces of
// indentation, one element a line, and no spelling that [layout] does not know. What is not known to a comps file is an
// error with its place, never left out. docs/comps-toml.md describes the TOML.
package comps

import (
	"bytes"
	"fmt"
	"slices"
)

// Document is a comps file: its top elements in their order.
type Document struct {
	Items  []Item
	Layout Layout
}

// Kind is the kind of a top element.
type Kind string

// The kinds of top elements. In XML, a Comment is a comment.
const (
	Group       Kind = "group"
	Category    Kind = "category"
	Environment Kind = "environment"
	Langpacks   Kind = "langpacks"
	Blacklist   Kind = "blacklist"
	Whiteout    Kind = "whiteout"
	Comment     Kind = "comment"
)

// Item is a top element.
type Item struct {
	Kind    Kind
	Arch    string  // of a group, category or environment: architectures, separated by commas
	Fields  []Field // of a group, category or environment
	Entries []Entry // of langpacks, blacklist or whiteout
	Text    string  // of a comment
}

// Field is an element of a group, a category or an environment, or a comment between its elements.
type Field struct {
	Name string // of the element, or "comment"
	Lang string // of a translated name or description

	// Exactly one of these is set, as fieldTypes tells for the name.
	Text    string
	Bool    bool
	Number  int64
	Entries []Entry
}

// Entry is an item of a list: a package, the id of a group, a language pack. A comment in a list has nothing but Comment.
type Entry struct {
	Name         string
	Type         string // of a package: mandatory, default, optional, conditional, or empty
	Requires     string // of a conditional package, or what may be missing in whiteout
	BaseArchOnly *bool  // of a package
	Default      *bool  // of a group in a list of options
	Arch         string
	Install      string // of a language pack: a name with %s for the language
	Package      string // of whiteout: which package has the requirement
	Comment      string
	IsComment    bool
}

// A fieldType is what the content of an element is.
type fieldType int

const (
	textField fieldType = iota + 1
	translatedField
	boolField
	numberField
	packagesField
	groupsField
)

// fieldTypes are the elements of groups, categories and environments. Real files have each of them in any of the three.
var fieldTypes = map[string]fieldType{
	"id":            textField,
	"name":          translatedField,
	"_name":         textField, // to be translated, in the sources of Fedora's comps
	"description":   translatedField,
	"_description":  textField,
	"default":       boolField,
	"uservisible":   boolField,
	"biarchonly":    boolField,
	"display_order": numberField,
	"langonly":      textField,
	"packagelist":   packagesField,
	"grouplist":     groupsField,
	"optionlist":    groupsField,
}

// Layout is how the XML was written, where that differs from the canonical form. It decides no value.
type Layout struct {
	Declaration    *string  // the XML declaration as it was written
	Doctype        *string  // the document type as it was written; empty for none
	CRLF           bool     // lines end in "\r\n"
	NoFinalNewline bool     // nothing follows </comps>
	OpenLists      bool     // an empty list has a start and an end tag
	EmptyText      string   // of an element without text: "open" <x></x>, "space" <x />, or <x/>
	First          []string // attributes that come before "type" and "name": requires, install, package
	Indent         []string // of top elements, their elements, and the items of lists
	Spelling       []Spelling
}

// Spelling is a place that is written otherwise than canonically: in white space, quotes or the like. Where the canonical
// lines are no longer there, it does nothing.
type Spelling struct {
	Line      int    // of the canonical form, from 1
	Canonical string // the lines there, with their newlines; empty where lines are added
	Written   string // the lines instead
}

// The canonical first lines.
const (
	declaration = `<?xml version="1.0" encoding="UTF-8"?>`
	doctype     = `<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">`
)

// packageTypes are the types of packages, in the order that files mostly have.
var packageTypes = []string{"mandatory", "default", "optional", "conditional", ""}

// known says whether a package's type is one of packageTypes.
func known(typ string) bool { return slices.Contains(packageTypes, typ) }

// ID gives the id of a group, a category or an environment.
func (i *Item) ID() string {
	for _, f := range i.Fields {
		if f.Name == "id" {
			return f.Text
		}
	}
	return ""
}

// An Error is a fault in a comps file, with its place.
type Error struct {
	File         string
	Line, Column int // from 1; a Column of 0 is unknown
	Message      string
}

// Error gives file:line:column: message.
func (e *Error) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// FromXML converts a comps file to TOML, and proves that the TOML gives it back. name is that of the file, for errors. Where
// the file is too far from the canonical form, what is lost is how it is written: lost is then the first line that comes back
// otherwise, and 0 else.
func FromXML(name string, data []byte) (text []byte, lost int, err error) {
	doc, err := ParseXML(name, data)
	if err != nil {
		return nil, 0, err
	}
	text = doc.TOML()
	back, err := ToXML(name, text)
	if err != nil {
		return nil, 0, fmt.Errorf("the TOML does not give the file back: %w", err)
	}
	if bytes.Equal(back, data) {
		return text, 0, nil
	}
	again, err := parse(name, back)
	if err != nil || !bytes.Equal(withoutLayout(again), withoutLayout(doc)) {
		return nil, 0, fmt.Errorf("%s: the TOML does not give the file back", name)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	for i, line := range bytes.SplitAfter(back, []byte("\n")) {
		if i == len(lines) || !bytes.Equal(line, lines[i]) {
			return text, i + 1, nil
		}
	}
	return text, len(lines), nil
}

// ToXML converts TOML to a comps file. name is that of the TOML, for errors.
func ToXML(name string, text []byte) ([]byte, error) {
	doc, err := ParseTOML(name, text)
	if err != nil {
		return nil, err
	}
	out, err := doc.XML()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}
