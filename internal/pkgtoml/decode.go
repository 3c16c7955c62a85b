package pkgtoml

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/weld-linux/weld-bridge/internal/tomlguard"
)

// Decode reads a package document. name is what errors call it. An error names
// the line and the key, and says what was expected.
func Decode(name string, data []byte) (*Document, error) {
	var tree map[string]any
	// A document that was edited elsewhere; the carriage returns that are meant are escaped.
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	if err := tomlguard.Check(text); err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	meta, err := toml.Decode(text, &tree)
	if err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%s:%d:%d: %s", name, syntax.Position.Line, max(syntax.Position.Col, 1), syntax.Message)
		}
		return nil, fmt.Errorf("%s: %s", name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	r := &reader{name: name, data: data, keys: keyOrder(meta.Keys())}
	d := &Document{}
	r.document(d, tree)
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

// keyOrder gives, for each path of tables, the keys in them in the order of the
// document: a TOML table has no order, but the lines of a spec have.
func keyOrder(keys []toml.Key) map[string][]string {
	order := map[string][]string{}
	var last toml.Key
	at := ""
	for _, k := range keys {
		if parent := k[:len(k)-1]; !slices.Equal(parent, last) {
			last, at = parent, strings.Join(parent, ".")
		}
		order[at] = append(order[at], k[len(k)-1])
	}
	return order
}

var indices = regexp.MustCompile(`\[\d+\]`)

// order takes the keys of the table at path from those of all tables there,
// which are asked for in the order of the document.
func (r *reader) order(path string, v any) []string {
	m, _ := v.(map[string]any)
	at := path
	if strings.Contains(at, "[") {
		at = indices.ReplaceAllString(at, "")
	}
	queue := r.keys[at]
	var out []string
	seen := map[string]int{}
	for len(queue) > 0 {
		k := queue[0]
		v, ok := m[k]
		most := 1
		if array, ok := v.([]map[string]any); ok {
			most = len(array) // a header for each element
		}
		if !ok || seen[k] == most {
			break
		}
		if seen[k]++; seen[k] == 1 {
			out = append(out, k)
		}
		queue = queue[1:]
	}
	r.keys[at] = queue
	if len(out) < len(m) { // the tables of dotted keys are nowhere in the document
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if seen[k] == 0 {
				out = append(out, k)
			}
		}
	}
	return out
}

// reader turns a decoded tree into a document. It keeps the first error only.
type reader struct {
	name string
	data []byte
	keys map[string][]string
	err  error
}

// fail notes an error at a key path such as "subpackage[2].files.list[0]".
func (r *reader) fail(path, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s:%d: %s: %s", r.name, locate(r.data, path), path, fmt.Sprintf(format, args...))
	}
}

// table is a TOML table whose keys are taken one by one; what is left over is
// not known to the format.
type table struct {
	r     *reader
	path  string
	m     map[string]any
	known []string
	// isEntry is set where a condition may be %{?NAME:…}.
	isEntry bool
}

func (r *reader) table(path string, v any) *table {
	t := &table{r: r, path: path}
	switch m := v.(type) {
	case nil:
	case map[string]any:
		t.m = m
	default:
		r.fail(path, "expected a table, found %s", kindOf(v))
	}
	return t
}

// entry is table for an entry whose condition and comment are read elsewhere.
func (r *reader) entry(path string, v any) *table {
	t := r.table(path, v)
	t.known = append(t.known, "when", "comment")
	return t
}

func (t *table) at(key string) string {
	if t.path == "" {
		return key
	}
	return t.path + "." + key
}

func (t *table) take(key string) (any, bool) {
	t.known = append(t.known, key)
	v, ok := t.m[key]
	return v, ok
}

func (t *table) has(key string) bool { _, ok := t.m[key]; return ok }

// done refuses the keys that nobody took.
func (t *table) done() {
	if len(t.m) == 0 || t.r.err != nil {
		return
	}
	var strange []string
	for k := range t.m {
		if !slices.Contains(t.known, k) {
			strange = append(strange, k)
		}
	}
	if len(strange) == 0 {
		return
	}
	slices.Sort(strange)
	hint := ""
	if near := nearest(strange[0], t.known); near != "" {
		hint = fmt.Sprintf(", did you mean %q?", near)
	}
	t.r.fail(t.at(strange[0]), "unknown key%s", hint)
}

func (t *table) str(key string) string {
	v, ok := t.take(key)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		t.r.fail(t.at(key), "expected a string, found %s", kindOf(v))
	}
	return s
}

func (t *table) boolean(key string) bool {
	v, ok := t.take(key)
	if !ok {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		t.r.fail(t.at(key), "expected true or false, found %s", kindOf(v))
	}
	return b
}

// strings reads a string or an array of strings.
func (t *table) strings(key string) []string {
	v, ok := t.take(key)
	if !ok {
		return nil
	}
	if s, ok := v.(string); ok {
		return []string{s}
	}
	list, ok := v.([]any)
	if !ok {
		t.r.fail(t.at(key), "expected a string or an array of strings, found %s", kindOf(v))
		return nil
	}
	out := make([]string, len(list))
	for i, x := range list {
		if out[i], ok = x.(string); !ok {
			t.r.fail(fmt.Sprintf("%s[%d]", t.at(key), i), "expected a string, found %s", kindOf(x))
		}
	}
	return out
}

func (t *table) meta(m *Meta, outer []string) {
	if t.has("when") {
		m.When = append(slices.Clone(outer), t.when()...)
	} else {
		m.When = outer
	}
	m.Comment = strings.Join(t.strings("comment"), "\n")
	t.take("when")
}

// when reads a path of conditions and checks the shape of its terms.
func (t *table) when() []string {
	terms := t.strings("when")
	for i, w := range terms {
		switch {
		case !validTerm(w):
			t.r.fail(t.at("when"), `%q is no condition: expected "if EXPR", "ifarch LIST", "ifnarch LIST", "else …", "elif EXPR" or "?NAME"`, w)
		case isGuard(w) && (!t.isEntry || i < len(terms)-1):
			t.r.fail(t.at("when"), "%q is for one line: it stands innermost, and at entries of lists", w)
		}
	}
	return terms
}

var guardTerm = regexp.MustCompile(`^!?\?[A-Za-z0-9_]+$`)

// isGuard tells whether a term is written around its line: %{?NAME:…}.
func isGuard(term string) bool { return strings.HasPrefix(strings.TrimPrefix(term, "!"), "?") }

func validTerm(w string) bool {
	if isGuard(w) {
		return guardTerm.MatchString(w)
	}
	w = strings.TrimPrefix(w, "else ")
	word, _, _ := strings.Cut(w, " ")
	switch word {
	case "if", "ifarch", "ifnarch", "ifos", "ifnos", "elif", "elifarch", "elifos":
		return true
	}
	return false
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "true or false"
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "an array"
	case time.Time:
		return "a date"
	}
	return fmt.Sprintf("%T", v)
}

// array gives the elements of an array of any kind.
func (r *reader) array(path string, v any) []any {
	switch l := v.(type) {
	case nil:
	case []any:
		return l
	case []map[string]any:
		out := make([]any, len(l))
		for i := range l {
			out[i] = l[i]
		}
		return out
	default:
		r.fail(path, "expected an array, found %s", kindOf(v))
	}
	return nil
}

// list reads the entries of an array, with groups taken apart. one reads an
// entry that is a string or a table; a table's meta is read for it.
func list[T Entry](r *reader, path string, v any, outer []string, one func(path string, v any) T) []T {
	var out []T
	for i, x := range r.array(path, v) {
		at := fmt.Sprintf("%s[%d]", path, i)
		m, _ := x.(map[string]any)
		if _, group := m["all"]; !group {
			if _, group = m["else"]; !group {
				out = append(out, readEntry(r, at, x, outer, one))
				continue
			}
		}
		r.order(at, x)
		t := r.table(at, x)
		t.isEntry = true
		when := t.when()
		if len(when) == 0 {
			r.fail(at, `a group needs "when"`)
			return out
		}
		if n := len(outer); n > 0 && isGuard(outer[n-1]) {
			r.fail(at, "%q is for one line: it stands innermost", outer[n-1])
		}
		all, _ := t.take("all")
		out = append(out, list(r, t.at("all"), all, appendPath(outer, when...), one)...)
		if other, ok := t.take("else"); ok {
			last := len(when) - 1
			if strings.HasPrefix(when[last], "else ") || isGuard(when[last]) {
				r.fail(at, `a group under %q has no "else"`, when[last])
			}
			path := appendPath(outer, when...)
			path[len(path)-1] = "else " + when[last]
			out = append(out, list(r, t.at("else"), other, path, one)...)
		}
		t.done()
	}
	return out
}

func appendPath(outer []string, more ...string) []string {
	return append(slices.Clone(outer), more...)
}

func readEntry[T Entry](r *reader, path string, v any, outer []string, one func(string, any) T) T {
	var none T
	_, isTag := any(none).(*Tag)
	_, isDep := any(none).(*Dep)
	switch s := v.(type) {
	case string:
		x := one(path, s)
		x.Common().When = outer
		return x
	case map[string]any:
	case int64:
		if isTag {
			v = map[string]any{"value": s}
		}
	case []any:
		if isDep { // those of one line
			v = map[string]any{"deps": s}
		}
	}
	if _, ok := v.(map[string]any); !ok {
		r.fail(path, "expected a string or a table, found %s", kindOf(v))
		v = map[string]any{}
	}
	t := r.table(path, v)
	t.isEntry = true
	var m Meta
	t.meta(&m, outer)
	if m.When == nil {
		m.When = outer
	}
	if n := len(outer); len(m.When) > n && n > 0 && isGuard(outer[n-1]) {
		r.fail(path, "%q is for one line: it stands innermost", outer[n-1])
	}
	x := one(path, v)
	*x.Common() = m
	return x
}

// short reads a value that is a string, a table, or an array of these.
func short[T Entry](r *reader, path string, v any, outer []string, one func(string, any) T) []T {
	switch v.(type) {
	case []any, []map[string]any:
		return list(r, path, v, outer, one)
	}
	return []T{readEntry(r, path, v, outer, one)}
}
