package comps

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/weld-linux/weld-bridge/internal/tomlguard"
)

// ParseTOML reads a document. name is that of the file, for errors. Unknown keys are errors.
func ParseTOML(name string, data []byte) (*Document, error) {
	p := &tomlParser{file: name, data: data, doc: new(Document), count: make(map[string]int)}
	var root map[string]any
	var deep *tomlguard.Error
	if errors.As(tomlguard.Check(string(data)), &deep) {
		return nil, &Error{name, deep.Line, deep.Column, deep.Message}
	}
	md, err := toml.Decode(string(data), &root)
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		return nil, &Error{name, syntax.Position.Line, syntax.Position.Col, syntax.Message}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, k := range md.Keys() {
		if err := p.key(k, root); err != nil {
			return nil, err
		}
	}
	return p.doc, nil
}

// A tomlParser goes through the keys of a document in their order, which is the order of the elements.
type tomlParser struct {
	file  string
	data  []byte
	doc   *Document
	count map[string]int // how many tables of a name have begun
	table map[string]any // the current group, category or environment
}

// errorf gives an error at the line where a key of the current table stands.
func (p *tomlParser) errorf(k []string, format string, args ...any) error {
	return &Error{p.file, p.lineOf(k), 0, fmt.Sprintf(format, args...)}
}

// lineOf looks for the line of a key: in the last table of its name that has begun.
func (p *tomlParser) lineOf(k []string) int {
	header := regexp.MustCompile(`^\s*\[\[?\s*` + regexp.QuoteMeta(k[0]) + `\s*[\].]`)
	own := regexp.MustCompile(`^\s*["']?` + regexp.QuoteMeta(k[len(k)-1]) + `["']?\s*[.=]`)
	if len(k) > 2 {
		own = regexp.MustCompile(`^\s*` + regexp.QuoteMeta(k[1]) + `\s*(=|\.\s*["']?` + regexp.QuoteMeta(k[2]) + `\b)`)
	}
	at, tables := 1, 0
	for i, line := range strings.Split(string(p.data), "\n") {
		if header.MatchString(line) {
			tables++
			at = i + 1
		}
		if (len(k) == 1 || tables == max(p.count[k[0]], 1)) && own.MatchString(line) {
			return i + 1
		}
	}
	return at
}

// key takes one key of the document.
func (p *tomlParser) key(k toml.Key, root map[string]any) error {
	switch kind := Kind(k[0]); {
	case kind == "layout":
		if p.count[k[0]]++; p.count[k[0]] > 1 {
			return nil // inside the table, which was checked
		}
		table, ok := root[k[0]].(map[string]any)
		if !ok {
			return p.errorf(k, "layout must be a table: [layout]")
		}
		return p.layout(k[:1], table)
	case len(k) == 1:
		return p.begin(kind, k, root)
	case kind == Group || kind == Category || kind == Environment:
		return p.field(kind, k)
	case kind == Langpacks && len(k) == 2:
		install, ok := root[k[0]].(map[string]any)[k[1]].(string)
		if !ok {
			return p.errorf(k, "langpacks.%s is not a string", key(k[1]))
		}
		if k[1] == "" || install == "" {
			return p.errorf(k, "a language pack without a name")
		}
		last := &p.doc.Items[len(p.doc.Items)-1]
		last.Entries = append(last.Entries, Entry{Name: k[1], Install: install})
		return nil
	}
	return nil // was checked with its table
}

// begin takes the header of a table.
func (p *tomlParser) begin(kind Kind, k toml.Key, root map[string]any) error {
	n := p.count[k[0]]
	p.count[k[0]]++
	item := Item{Kind: kind}
	switch kind {
	case Group, Category, Environment, Comment:
		list, ok := root[k[0]].([]map[string]any)
		if !ok {
			return p.errorf(k, "%s must be tables: [[%s]]", kind, kind)
		}
		p.table = list[n]
		if kind == Comment {
			return p.comment(k)
		}
	case Langpacks, Blacklist, Whiteout:
		table, ok := root[k[0]].(map[string]any)
		if !ok {
			return p.errorf(k, "%s must be a table: [%s]", kind, kind)
		}
		if kind != Langpacks {
			var err error
			if item.Entries, err = p.listTable(kind, k, table); err != nil {
				return err
			}
		}
	default:
		return p.errorf(k, "unknown key %s", key(k[0]))
	}
	p.doc.Items = append(p.doc.Items, item)
	return nil
}

func (p *tomlParser) comment(k toml.Key) error {
	text, ok := p.table["text"].(string)
	if !ok || len(p.table) != 1 {
		return p.errorf(k, "a comment has one key: text, a string")
	}
	p.doc.Items = append(p.doc.Items, Item{Kind: Comment, Text: text})
	return nil
}

// listTable reads [blacklist] and [whiteout], which have one key each.
func (p *tomlParser) listTable(kind Kind, k toml.Key, table map[string]any) ([]Entry, error) {
	name, keys := "packages", []string{"name", "arch"}
	if kind == Whiteout {
		name, keys = "ignore", []string{"requires", "package"}
	}
	for _, other := range slices.Sorted(maps.Keys(table)) {
		if other != name {
			return nil, p.errorf(append(k, other), "unknown key %s in [%s]", key(other), kind)
		}
	}
	value, ok := table[name]
	if !ok {
		return nil, p.errorf(k, "[%s] needs the key %s", kind, name)
	}
	return p.entries(append(k, name), value, keys)
}

// field takes a key of a group, a category or an environment.
func (p *tomlParser) field(kind Kind, k toml.Key) error {
	item := &p.doc.Items[len(p.doc.Items)-1]
	if item.Kind != kind {
		return p.errorf(k, "%s stands behind [[%s]]: it belongs right behind its [[%s]]", strings.Join(k, "."), item.Kind, kind)
	}
	name, value := k[1], p.table[k[1]]
	f := Field{Name: name}
	var err error
	switch {
	case name == "packages" && kind == Group:
		return p.packages(item, k, value)
	case (name == "groups" || name == "options") && kind != Group:
		if len(k) > 2 {
			return nil // inside an entry, which was checked
		}
		f.Name = map[string]string{"groups": "grouplist", "options": "optionlist"}[name]
		f.Entries, err = p.entries(k, value, []string{"name", "default", "arch"})
	case name == "names", name == "descriptions", name == "comments":
		if len(k) == 2 {
			if table, ok := value.(map[string]any); !ok || len(table) == 0 {
				return p.errorf(k, "%s must be a table of strings", name)
			}
			return nil // its keys follow
		}
		f.Name = strings.TrimSuffix(name, "s")
		if name != "comments" {
			f.Lang = k[2]
		}
		if f.Name == "comment" || f.Lang != "" {
			f.Text, err = p.string(k, value.(map[string]any)[k[2]])
		} else {
			err = p.errorf(k, "empty language")
		}
	case len(k) > 2:
		return nil // inside a value that was checked
	case name == "arch":
		item.Arch, err = p.string(k, value)
		if err == nil && item.Arch == "" {
			err = p.errorf(k, "arch is empty")
		}
		return err
	default:
		err = p.scalar(&f, kind, k, value)
	}
	item.Fields = append(item.Fields, f)
	return err
}

func (p *tomlParser) string(k toml.Key, value any) (string, error) {
	s, ok := value.(string)
	if !ok {
		return "", p.errorf(k, "%s must be a string", strings.Join(k[1:], "."))
	}
	return s, nil
}

func (p *tomlParser) scalar(f *Field, kind Kind, k toml.Key, value any) (err error) {
	ok := true
	want := "true or false"
	switch fieldTypes[f.Name] {
	case textField, translatedField:
		f.Text, err = p.string(k, value)
		return err
	case boolField:
		f.Bool, ok = value.(bool)
	case numberField:
		f.Number, ok = value.(int64)
		ok = ok && f.Number >= 0 && f.Number < 1<<30
		want = "a number from 0" // libcomps crashes on others
	default:
		return p.errorf(k, "unknown key %s in [[%s]]", key(f.Name), kind)
	}
	if !ok {
		return p.errorf(k, "%s must be %s", f.Name, want)
	}
	return nil
}

// packages takes the packages of a group: its table as such, or the list of one type.
func (p *tomlParser) packages(item *Item, k toml.Key, value any) error {
	table, ok := value.(map[string]any)
	if !ok {
		return p.errorf(k, "packages must be a table: packages.mandatory = [...]")
	}
	if len(k) > 3 {
		return nil // inside an entry, which was checked
	}
	i := slices.IndexFunc(item.Fields, func(f Field) bool { return f.Name == "packagelist" })
	if i < 0 {
		i = len(item.Fields)
		item.Fields = append(item.Fields, Field{Name: "packagelist", Entries: []Entry{}})
	}
	if len(k) == 2 {
		return nil
	}
	typ, keys := k[2], []string{"name", "requires", "basearchonly", "arch"}
	switch {
	case typ == "mixed":
		keys = append(keys, "type")
		typ = ""
	case typ == "untyped":
		typ = ""
	case typ == "" || !known(typ):
		return p.errorf(k, "unknown key packages.%s: it is mandatory, default, optional, conditional, untyped or mixed", key(typ))
	}
	list, err := p.entries(k, table[k[2]], keys)
	for _, e := range list {
		if typ != "" && !e.IsComment {
			e.Type = typ
		}
		item.Fields[i].Entries = append(item.Fields[i].Entries, e)
	}
	return err
}

// entries reads an array of names and of tables with some of keys.
func (p *tomlParser) entries(k toml.Key, value any, keys []string) ([]Entry, error) {
	// An array of tables alone comes in a type of its own.
	var list []any
	switch value := value.(type) {
	case []any:
		list = value
	case []map[string]any:
		for _, table := range value {
			list = append(list, table)
		}
	default:
		return nil, p.errorf(k, "%s must be an array", strings.Join(k, "."))
	}
	entries := make([]Entry, 0, len(list))
	for i, value := range list {
		var e Entry
		var err error
		switch value := value.(type) {
		case string:
			e.Name = value
			if !slices.Contains(keys, "name") {
				err = errors.New("must be a table")
			}
		case map[string]any:
			err = e.set(value, keys)
		default:
			err = errors.New("must be a string or a table")
		}
		if err != nil {
			return nil, p.errorf(k, "%s, item %d: %v", strings.Join(k, "."), i+1, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// set takes the keys of a table.
func (e *Entry) set(table map[string]any, keys []string) error {
	if text, ok := table["comment"].(string); ok && len(table) == 1 {
		e.IsComment, e.Comment = true, text
		return nil
	}
	texts := map[string]*string{
		"name": &e.Name, "type": &e.Type, "requires": &e.Requires, "package": &e.Package, "arch": &e.Arch,
	}
	bools := map[string]**bool{"basearchonly": &e.BaseArchOnly, "default": &e.Default}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(keys, name) {
			return fmt.Errorf("unknown key %s", key(name))
		}
		if place, ok := texts[name]; ok {
			text, ok := table[name].(string)
			if !ok || text == "" && name != "name" {
				return fmt.Errorf("%s must be a string that is not empty", name)
			}
			*place = text
			continue
		}
		b, ok := table[name].(bool)
		if !ok {
			return fmt.Errorf("%s must be true or false", name)
		}
		*bools[name] = &b
	}
	return nil
}

// layout takes [layout].
func (p *tomlParser) layout(k toml.Key, table map[string]any) error {
	l := &p.doc.Layout
	for _, name := range slices.Sorted(maps.Keys(table)) {
		ok := false
		switch value := table[name]; name {
		case "declaration", "doctype":
			var s string
			s, ok = value.(string)
			re, place := declarationRE, &l.Declaration
			if name == "doctype" {
				re, place = doctypeRE, &l.Doctype
			}
			ok = ok && re.FindString(s) == s
			*place = &s
		case "crlf":
			l.CRLF, ok = value.(bool)
		case "final_newline":
			var b bool
			b, ok = value.(bool)
			l.NoFinalNewline = !b
		case "open_lists":
			l.OpenLists, ok = value.(bool)
		case "empty_text":
			l.EmptyText, ok = value.(string)
			ok = ok && (l.EmptyText == "open" || l.EmptyText == "space")
		case "first":
			l.First, ok = stringList(value)
			ok = ok && !slices.ContainsFunc(l.First, func(s string) bool { return s != "requires" && s != "install" && s != "package" })
		case "indent":
			l.Indent, ok = stringList(value)
			ok = ok && len(l.Indent) == 3 && strings.Trim(strings.Join(l.Indent, ""), " \t") == ""
		case "spelling":
			ok = l.setSpelling(value)
		default:
			return p.errorf(append(k, name), "unknown key %s in [layout]", key(name))
		}
		if !ok {
			return p.errorf(append(k, name), "layout.%s has a value that it cannot have", name)
		}
	}
	return nil
}

func stringList(value any) (out []string, ok bool) {
	list, ok := value.([]any)
	for _, item := range list {
		s, isText := item.(string)
		ok = ok && isText
		out = append(out, s)
	}
	return out, ok
}

func (l *Layout) setSpelling(value any) bool {
	list, ok := value.([]map[string]any)
	for _, table := range list {
		line, ok1 := table["line"].(int64)
		canonical, ok2 := table["canonical"].(string)
		written, ok3 := table["written"].(string)
		ok = ok && ok1 && ok2 && ok3 && len(table) == 3 && line > 0
		l.Spelling = append(l.Spelling, Spelling{int(line), canonical, written})
	}
	return ok
}
