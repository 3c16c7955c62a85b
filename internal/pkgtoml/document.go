// Package pkgtoml is the package document: an RPM spec file as typed TOML.
//
// Decode is strict: a key that the format does not know is refused with its
// line, its path and the key that was probably meant. Encode writes TOML 1.0
// as a person would, one entry a line and long text in ”' blocks, and is
// stable: Encode(Decode(Encode(d))) equals Encode(d). The format is described
// in docs/package-toml.md and published by Schema.
package pkgtoml

// Meta is what every entry may carry.
type Meta struct {
	// When is the path of conditions that the entry stands in, from the
	// outside in: "if EXPR", "ifarch LIST", "else if EXPR", "elif EXPR" (only
	// below an else), and innermost "?NAME" or "!?NAME" for %{?NAME:…}.
	When []string
	// Comment is the text directly above the entry, a line per line. A line
	// that begins with # is kept as it is, others get "# " before them.
	Comment string
}

// Common gives the entry's Meta.
func (m *Meta) Common() *Meta { return m }

// Entry is anything that may carry a condition and a comment.
type Entry interface{ Common() *Meta }

// The forms of a Macro.
const (
	Global   = "global"
	Define   = "define"
	Undefine = "undefine"
	Bcond    = "bcond"
	Include  = "include"
	Load     = "load"
	Call     = "macro" // a line that is a macro, verbatim
	Raw      = "raw"   // a line that was not understood, verbatim
)

// Macro is a definition or a line of macros outside of scripts.
type Macro struct {
	Meta
	Form string
	// Name is what is defined, with its parameter list where it has one, or
	// the text of an include, load, macro or raw.
	Name string
	// Value is the body of a definition; for a bcond its default: "true",
	// "false" or an expression.
	Value string
	// At names what the macro stands behind: a tag's key, "sources",
	// "patches", or a section's name; empty is before everything.
	At string
}

// Tag is one line of metadata that is no dependency: Name, Version, URL, ….
type Tag struct {
	Meta
	Key      string // in the document: "build_arch"
	Value    string
	Lang     string // of Summary(de)
	Spelling string // of the tag, where its letters are not of the usual case
}

// Dep is one line of dependencies, which mostly has one.
type Dep struct {
	Meta
	Kind       string // in the document: "build_requires"
	Deps       []string
	Separator  string // between them, where it is not one blank
	Qualifiers string // of Requires(pre,post); the section of a BuildOption
	Spelling   string // of the tag, where its letters are not of the usual case
}

// Source is one source or patch.
type Source struct {
	Meta
	Patch    bool
	Listed   bool   // in %sourcelist or %patchlist
	Number   string // decimal, perhaps with leading zeros; empty where the spec lets rpm count
	File     string
	Spelling string // of the tag, where its letters are not of the usual case
}

// Script is a section that is text: a step of the build, a scriptlet, a
// trigger or a description.
type Script struct {
	Meta
	Kind        string // the section's name
	Body        string // with the line end of each line
	Interpreter string // -p
	Mode        string // "append" (-a) or "prepend" (-p) in a build section
	Lang        string // -l
	File        string // -f
	Flags       string // -e, -q as written
	Priority    string // -P
	Head        string // text on the line of a description's header
	On          string // what a trigger watches
	Args        string // the whole header after the name, when it was not understood
}

// File is one entry of a file list.
type File struct {
	Meta
	Paths     []string
	Config    string   // "true", "noreplace", "missingok", …
	Flags     []string // doc, license, readme, dir, ghost, exclude, artifact, missingok, pubkey, docdir
	Mode      string
	User      string
	Group     string
	DirMode   string
	Verify    string
	Lang      string
	Caps      string
	Order     []string // of the directives on the line: "config", "attr", "dir", …
	Defattr   string   // a line %defattr(…)
	Macro     string   // a line that is a macro
	Raw       string   // a line that was not understood
	Separator string   // between the fields of %attr, where it is not a comma alone
	HasVerify bool
}

// Files is one %files section.
type Files struct {
	Meta
	From []string // -f
	Args string
	List []*File
}

// Change is one entry of the changelog.
type Change struct {
	Date      string // 2026-08-18, or as written when it is no plain date
	Author    string
	Separator string // between author and EVR
	EVR       string
	Text      string // without the last line end
	Raw       string // an entry whose head was not understood, whole
}

// Changelog is the %changelog section.
type Changelog struct {
	Meta
	Present   bool
	Auto      bool
	Separator string // between author and EVR unless the entry says otherwise
	Entries   []*Change
}

// Package is the main package or a subpackage.
type Package struct {
	Meta
	Name         string
	Full         bool // -n: Name is the whole name
	Undeclared   bool // sections name it, but no %package declares it
	Tags         []*Tag
	Deps         []*Dep
	Macros       []*Macro // lines of its %package section; not for the main package
	Descriptions []*Script
	Scripts      []*Script
	Triggers     []*Script
	Files        []*Files
}

// Section is one that the format has no place for, verbatim.
type Section struct {
	Meta
	Header string // the whole line
	Body   string
}

// SourceList is a %sourcelist or %patchlist section.
type SourceList struct {
	Meta
	Patches bool
	List    []*Source
}

// Document is a package document.
type Document struct {
	Macros      []*Macro
	Main        Package
	Sources     []*Source
	Patches     []*Source
	Lists       []*SourceList
	Build       []*Script
	Subpackages []*Package
	Changelog   Changelog
	Sections    []*Section
	Layout      *Layout // nil: canonical
}

// Layout says how the spec is written, not what it says. Deleting it changes
// order, blank lines and spelling only.
type Layout struct {
	Order     string   // the outline of the spec
	Tag       string   // template of a tag's line
	Styles    []string // templates of the lines that differ, named in Order as ~1, ~2, …
	Newline   string   // "crlf"
	Encoding  string   // "latin-1"
	EOF       string   // "bare": the last line has no end
	BOM       bool
	Gaps      string // changelog entries that are not followed by one blank line
	Unpatched string // numbers that %prep applies and that no patch has
}

// Common gives no condition: entries of a changelog have none.
func (c *Change) Common() *Meta { return &Meta{} }
