package convert

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	pelletier "github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// corpus gives every WELD_STEP-th spec below WELD_SPECS.
func corpus(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("WELD_SPECS")
	if dir == "" {
		t.Skip("WELD_SPECS names no directory of specs")
	}
	step := 1
	if n, err := strconv.Atoi(os.Getenv("WELD_STEP")); err == nil && n > 0 {
		step = n
	}
	var all, out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".spec") {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(all); i += step {
		out = append(out, all[i])
	}
	return out
}

// TestCorpus takes every spec there and back, and lets two other parsers and the
// schema judge the documents.
func TestCorpus(t *testing.T) {
	schema := compileSchema(t)
	bad := 0
	paths := corpus(t)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := roundTrip(path, b)
		if err == nil {
			err = judge(schema, text)
		}
		if err != nil {
			bad++
			t.Errorf("%s: %v", path, err)
		}
	}
	t.Logf("%d of %d specs are whole", len(paths)-bad, len(paths))
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(pkgtoml.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("package.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("package.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// judge parses a document with other parsers and validates it.
func judge(schema *jsonschema.Schema, text []byte) error {
	var a, b map[string]any
	if _, err := toml.Decode(string(text), &a); err != nil {
		return err
	}
	if err := pelletier.Unmarshal(text, &b); err != nil {
		return err
	}
	return schema.Validate(jsonValue(a))
}

// jsonValue makes what TOML gives into what JSON has.
func jsonValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = jsonValue(x)
		}
		return out
	case []map[string]any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = jsonValue(v[i])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = jsonValue(v[i])
		}
		return out
	case time.Time:
		return v.Format(time.DateOnly)
	}
	return v
}
