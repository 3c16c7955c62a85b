package comps

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// xmlNS is what encoding/xml calls the name space of xml:lang.
const xmlNS = "http://www.w3.org/XML/1998/namespace"

// ParseXML reads a comps file. name is that of the file, for errors.
func ParseXML(name string, data []byte) (*Document, error) {
	doc, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	doc.findLayout(data)
	return doc, nil
}

// parse reads the elements of a file, and of its layout only the order of attributes.
func parse(name string, data []byte) (*Document, error) {
	p := &xmlParser{file: name, data: data, dec: xml.NewDecoder(bytes.NewReader(data)), doc: new(Document)}
	p.dec.Strict = true
	p.dec.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("encoding %q is not supported, only UTF-8", charset)
	}
	if err := p.document(); err != nil {
		return nil, err
	}
	return p.doc, nil
}

// An xmlParser goes through the tokens of a file.
type xmlParser struct {
	file      string
	data      []byte
	dec       *xml.Decoder
	line, col int // where the current token begins
	doc       *Document
}

// errorf gives an error at the current token.
func (p *xmlParser) errorf(format string, args ...any) error {
	return &Error{p.file, p.line, p.col, fmt.Sprintf(format, args...)}
}

// next gives the next token. White space between elements is skipped, other text there is an error.
func (p *xmlParser) next() (xml.Token, error) {
	for {
		p.line, p.col = p.dec.InputPos()
		tok, err := p.dec.Token()
		if err != nil {
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				p.line, p.col = syntax.Line, 0
				return nil, p.errorf("%s", syntax.Msg)
			}
			if errors.Is(err, io.EOF) {
				return nil, io.EOF
			}
			return nil, p.errorf("%s", err)
		}
		text, ok := tok.(xml.CharData)
		if !ok {
			return tok, nil
		}
		if rest := bytes.TrimSpace(text); len(rest) > 0 {
			return nil, p.errorf("text %q outside of an element that holds text", clip(string(rest)))
		}
	}
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

func (p *xmlParser) document() error {
	seen := false
	for {
		tok, err := p.next()
		if err == io.EOF {
			if !seen {
				return p.errorf("no <comps>")
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.ProcInst:
			if tok.Target != "xml" {
				return p.errorf("processing instruction %q cannot be kept", tok.Target)
			}
		case xml.Directive:
			if !bytes.HasPrefix(tok, []byte("DOCTYPE")) || bytes.ContainsRune(tok, '[') {
				return p.errorf("directive %q cannot be kept", clip(string(tok)))
			}
		case xml.Comment:
			return p.errorf("comment outside of <comps> cannot be kept")
		case xml.StartElement:
			if seen || tok.Name.Local != "comps" || tok.Name.Space != "" {
				return p.errorf("<%s> where <comps> is expected", tok.Name.Local)
			}
			seen = true
			if err := p.attributes(tok, nil); err != nil {
				return err
			}
			if err := p.items(); err != nil {
				return err
			}
		}
	}
}

// attributes hands each attribute to its place, and refuses others.
func (p *xmlParser) attributes(e xml.StartElement, places map[string]*string) error {
	var got []string
	for _, a := range e.Attr {
		name := a.Name.Local
		if a.Name.Space == xmlNS {
			name = "xml:" + name
		} else if a.Name.Space != "" {
			name = a.Name.Space + ":" + name
		}
		place, ok := places[name]
		if !ok {
			return p.errorf("unknown attribute %s of <%s>", name, e.Name.Local)
		}
		if slices.Contains(got, name) {
			return p.errorf("attribute %s of <%s> stands twice", name, e.Name.Local)
		}
		got = append(got, name)
		*place = a.Value
	}
	return nil
}

// each calls on for the elements and comments inside the current element, until its end.
func (p *xmlParser) each(element func(xml.StartElement) error, comment func(string) error) error {
	for {
		tok, err := p.next()
		if err == io.EOF {
			return p.errorf("unexpected end of the file")
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if tok.Name.Space != "" {
				return p.errorf("unknown element <%s:%s>", tok.Name.Space, tok.Name.Local)
			}
			err = element(tok)
		case xml.Comment:
			if bytes.ContainsFunc(tok, func(r rune) bool { return !isXML(r) }) || !utf8.Valid(tok) {
				return p.errorf("comment holds a character that XML does not have")
			}
			err = comment(string(tok))
		case xml.EndElement:
			return nil
		default:
			return p.errorf("markup that cannot be kept")
		}
		if err != nil {
			return err
		}
	}
}

func (p *xmlParser) items() error {
	once := make(map[Kind]bool)
	return p.each(func(e xml.StartElement) error {
		item := Item{Kind: Kind(e.Name.Local)}
		var err error
		switch item.Kind {
		case Group, Category, Environment:
			if err = p.attributes(e, map[string]*string{"arch": &item.Arch}); err == nil {
				item.Fields, err = p.fields(item.Kind)
			}
		case Langpacks, Blacklist, Whiteout:
			if once[item.Kind] {
				return p.errorf("a second <%s>", item.Kind)
			}
			once[item.Kind] = true
			if err = p.attributes(e, nil); err == nil {
				item.Entries, err = p.table(item.Kind)
			}
		default:
			return p.errorf("unknown element <%s>", e.Name.Local)
		}
		p.doc.Items = append(p.doc.Items, item)
		return err
	}, func(text string) error {
		p.doc.Items = append(p.doc.Items, Item{Kind: Comment, Text: text})
		return nil
	})
}

// fields reads the elements of a group, a category or an environment.
func (p *xmlParser) fields(kind Kind) ([]Field, error) {
	var list []Field
	type id struct{ name, lang string }
	seen := make(map[id]bool)
	err := p.each(func(e xml.StartElement) error {
		f := Field{Name: e.Name.Local}
		typ, ok := fieldTypes[f.Name]
		if !ok || typ == packagesField && kind != Group || typ == groupsField && kind == Group {
			return p.errorf("unknown element <%s> in <%s>", f.Name, kind)
		}
		var places map[string]*string
		if typ == translatedField {
			places = map[string]*string{"xml:lang": &f.Lang}
		}
		if err := p.attributes(e, places); err != nil {
			return err
		}
		if len(e.Attr) > 0 && f.Lang == "" {
			return p.errorf("empty xml:lang of <%s>", f.Name)
		}
		if seen[id{f.Name, f.Lang}] {
			return p.errorf("a second <%s> in one <%s>", f.Name, kind)
		}
		seen[id{f.Name, f.Lang}] = true
		err := p.field(&f, typ)
		list = append(list, f)
		return err
	}, func(text string) error {
		list = append(list, Field{Name: "comment", Text: text})
		return nil
	})
	return list, err
}

// field reads the content of an element.
func (p *xmlParser) field(f *Field, typ fieldType) (err error) {
	switch typ {
	case packagesField:
		f.Entries, err = p.packages()
		return err
	case groupsField:
		f.Entries, err = p.groups()
		return err
	}
	line, col := p.line, p.col
	if f.Text, err = p.text(f.Name); err != nil {
		return err
	}
	p.line, p.col = line, col
	switch typ {
	case boolField:
		f.Bool, err = p.bool("<"+f.Name+">", f.Text)
		f.Text = ""
	case numberField:
		if f.Number, err = strconv.ParseInt(f.Text, 10, 31); err != nil || f.Number < 0 || strconv.FormatInt(f.Number, 10) != f.Text {
			return p.errorf("<%s> is %q, not a number", f.Name, clip(f.Text))
		}
		f.Text = ""
	}
	return err
}

func (p *xmlParser) bool(what, text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, p.errorf("%s is %q, neither true nor false", what, clip(text))
	}
	return text == "true", nil
}

// text reads the text of the current element as far as its end.
func (p *xmlParser) text(name string) (string, error) {
	var b strings.Builder
	for {
		p.line, p.col = p.dec.InputPos()
		tok, err := p.dec.Token()
		if err != nil {
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				p.line, p.col = syntax.Line, 0
				return "", p.errorf("%s", syntax.Msg)
			}
			return "", p.errorf("%s", err)
		}
		switch tok := tok.(type) {
		case xml.CharData:
			b.Write(tok)
		case xml.EndElement:
			return b.String(), nil
		case xml.StartElement:
			return "", p.errorf("unknown element <%s> in <%s>", tok.Name.Local, name)
		default:
			return "", p.errorf("markup in <%s> that cannot be kept", name)
		}
	}
}

func (p *xmlParser) packages() ([]Entry, error) {
	return p.list("packagereq", func(e *Entry) (map[string]*string, func() error) {
		var baseArchOnly string
		return map[string]*string{
			"type": &e.Type, "requires": &e.Requires, "basearchonly": &baseArchOnly, "arch": &e.Arch,
		}, func() error { return p.boolAttribute(&e.BaseArchOnly, "basearchonly", baseArchOnly) }
	})
}

func (p *xmlParser) groups() ([]Entry, error) {
	return p.list("groupid", func(e *Entry) (map[string]*string, func() error) {
		var isDefault string
		return map[string]*string{"default": &isDefault, "arch": &e.Arch},
			func() error { return p.boolAttribute(&e.Default, "default", isDefault) }
	})
}

func (p *xmlParser) boolAttribute(place **bool, name, text string) error {
	if text == "" {
		return nil
	}
	b, err := p.bool("attribute "+name, text)
	*place = &b
	return err
}

// list reads a list of elements with text. places gives where the attributes go, and what to do when they are there.
func (p *xmlParser) list(element string, places func(*Entry) (map[string]*string, func() error)) ([]Entry, error) {
	list := []Entry{}
	err := p.each(func(e xml.StartElement) error {
		if e.Name.Local != element {
			return p.errorf("unknown element <%s> where <%s> is expected", e.Name.Local, element)
		}
		var entry Entry
		attrs, done := places(&entry)
		if err := p.attributes(e, attrs); err != nil {
			return err
		}
		if err := p.notEmpty(e); err != nil {
			return err
		}
		p.attributeOrder(e, "requires", "type")
		if err := done(); err != nil {
			return err
		}
		var err error
		entry.Name, err = p.text(element)
		list = append(list, entry)
		return err
	}, func(text string) error {
		list = append(list, Entry{IsComment: true, Comment: text})
		return nil
	})
	return list, err
}

// notEmpty refuses attributes without a value, which the TOML would leave out.
func (p *xmlParser) notEmpty(e xml.StartElement) error {
	for _, a := range e.Attr {
		if a.Value == "" {
			return p.errorf("empty attribute %s of <%s>", a.Name.Local, e.Name.Local)
		}
	}
	return nil
}

// tableElements are the elements of langpacks, blacklist and whiteout.
var tableElements = map[Kind]string{Langpacks: "match", Blacklist: "package", Whiteout: "ignoredep"}

// table reads the elements of langpacks, blacklist and whiteout, which have attributes only.
func (p *xmlParser) table(kind Kind) ([]Entry, error) {
	list := []Entry{}
	seen := make(map[string]bool)
	err := p.each(func(e xml.StartElement) error {
		if e.Name.Local != tableElements[kind] {
			return p.errorf("unknown element <%s> in <%s>", e.Name.Local, kind)
		}
		var entry Entry
		err := p.attributes(e, map[Kind]map[string]*string{
			Langpacks: {"name": &entry.Name, "install": &entry.Install},
			Blacklist: {"name": &entry.Name, "arch": &entry.Arch},
			Whiteout:  {"requires": &entry.Requires, "package": &entry.Package},
		}[kind])
		if err == nil {
			err = p.notEmpty(e)
		}
		if err != nil {
			return err
		}
		if kind == Langpacks && (entry.Name == "" || entry.Install == "" || seen[entry.Name]) {
			return p.errorf("<match> without name or install, or with a name that stands twice")
		}
		seen[entry.Name] = true
		p.attributeOrder(e, "install", "name")
		p.attributeOrder(e, "package", "requires")
		text, err := p.text(e.Name.Local)
		if err == nil && strings.TrimSpace(text) != "" {
			err = p.errorf("text in <%s>", e.Name.Local)
		}
		list = append(list, entry)
		return err
	}, func(text string) error {
		if kind == Langpacks {
			return p.errorf("comment in <langpacks> cannot be kept")
		}
		list = append(list, Entry{IsComment: true, Comment: text})
		return nil
	})
	return list, err
}

// attributeOrder notes that an attribute stands before one that canonically precedes it.
func (p *xmlParser) attributeOrder(e xml.StartElement, first, second string) {
	index := func(name string) int {
		return slices.IndexFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == name })
	}
	if i, j := index(first), index(second); i >= 0 && j > i && !slices.Contains(p.doc.Layout.First, first) {
		p.doc.Layout.First = append(p.doc.Layout.First, first)
	}
}
