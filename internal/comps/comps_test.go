package comps

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pelletier "github.com/pelletier/go-toml/v2"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFull converts a file with everything in it to TOML and back.
func TestFull(t *testing.T) {
	xml, want := read(t, "full.xml"), read(t, "full.toml")
	got, lost, err := FromXML("full.xml", xml)
	if err != nil || lost != 0 {
		t.Fatalf("lost %d, %v", lost, err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("TOML (-want +got):\n%s", diff)
	}
	back, err := ToXML("full.toml", want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(xml), string(back)); diff != "" {
		t.Errorf("XML (-want +got):\n%s", diff)
	}
}

// variants are ways to write a file that layout keeps, as replacements in full.xml.
var variants = map[string][]string{
	"no final newline": {"</comps>\n", "</comps>"},
	"no document type": {doctype + "\n", ""},
	"declaration":      {`"UTF-8"`, `"utf-8"`},
	"open lists":       {"<packagelist/>", "<packagelist>\n    </packagelist>", "<grouplist/>", "<grouplist>\n    </grouplist>"},
	"open text":        {"<description/>", "<description></description>", "<_description/>", "<_description></_description>"},
	"spaced text":      {"<description/>", "<description />", "<_description/>", "<_description />"},
	"order":            {`type="conditional" requires="gtk3"`, `requires="gtk3" type="conditional"`},
	"order of match": {
		`name="aspell" install="aspell-%s"`, `install="aspell-%s" name="aspell"`,
		`name="libreoffice-core" install="libreoffice-langpack-%s"`, `install="libreoffice-langpack-%s" name="libreoffice-core"`,
	},
	"white space":  {"<uservisible>true</uservisible>\n", "<uservisible>true</uservisible>  \n\n\t\n"},
	"quotes":       {`<packagereq type="default">vim`, `<packagereq type='default'>vim`},
	"entities":     {`"possible"`, `&quot;possible&quot;`},
	"cdata":        {`"possible" installation &amp; more`, `<![CDATA["possible" installation & more]]>`},
	"indentation":  {"      <", "   <"},
	"tabs":         {"\n      <", "\n\t\t\t<", "\n    <", "\n\t\t<", "\n  <", "\n\t<"},
	"crlf":         {"\n", "\r\n"},
	"text behind":  {"</comps>\n", "</comps>\n\n\n"},
	"lines joined": {"<id>empty</id>\n    <packagelist/>", "<id>empty</id><packagelist/>"},
}

func TestVariants(t *testing.T) {
	full := read(t, "full.xml")
	for name, replace := range variants {
		t.Run(name, func(t *testing.T) {
			xml := []byte(strings.NewReplacer(replace...).Replace(string(full)))
			if bytes.Equal(xml, full) {
				t.Fatal("nothing was replaced")
			}
			text, lost, err := FromXML("full.xml", xml)
			if err != nil {
				t.Fatal(err)
			}
			if lost != 0 {
				back, _ := ToXML("full.toml", text)
				t.Errorf("lost from line %d:\n%s", lost, cmp.Diff(string(xml), string(back)))
			}
			without, _, _ := bytes.Cut(text, []byte("\n# How the XML"))
			if diff := cmp.Diff(string(read(t, "full.toml")), string(without)); diff != "" {
				t.Errorf("what is not layout differs:\n%s", diff)
			}
			canonical, err := ToXML("full.toml", without)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(full), string(canonical)); diff != "" {
				t.Errorf("without layout:\n%s", diff)
			}
		})
	}
}

// TestLost converts files whose writing is not kept.
func TestLost(t *testing.T) {
	full := string(read(t, "full.xml"))
	for name, xml := range map[string]string{
		"far apart": strings.Replace(full, "<comps>\n", "<comps>\n"+strings.Repeat("\n", 400), 1),
	} {
		t.Run(name, func(t *testing.T) {
			text, lost, err := FromXML("full.xml", []byte(xml))
			if err != nil {
				t.Fatal(err)
			}
			if lost == 0 {
				t.Error("nothing is lost?")
			}
			if _, err := ParseTOML("full.toml", text); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestEdit changes the TOML of a file with odd white space: the rest stays as it was.
func TestEdit(t *testing.T) {
	const odd = "      <packagereq type=\"default\">vim</packagereq>   \n"
	xml := strings.Replace(string(read(t, "full.xml")), strings.ReplaceAll(odd, "   \n", "\n"), odd, 1)
	text, lost, err := FromXML("full.xml", []byte(xml))
	if err != nil || lost != 0 {
		t.Fatalf("lost %d, %v", lost, err)
	}
	for name, edit := range map[string][4]string{
		"add before": {
			"  \"bash\",\n", "  \"bash\",\n  \"dash\",\n",
			">bash</packagereq>\n", ">bash</packagereq>\n      <packagereq type=\"mandatory\">dash</packagereq>\n",
		},
		"the odd line":  {`"vim"`, `"emacs"`, ">vim</packagereq>   \n", ">emacs</packagereq>\n"},
		"drop it":       {"packages.default = [\n  \"vim\",\n]\n", "", odd, ""},
		"a translation": {`names.de = "Kern"`, `names.de = "Kernsystem"`, ">Kern<", ">Kernsystem<"},
	} {
		t.Run(name, func(t *testing.T) {
			edited := strings.Replace(string(text), edit[0], edit[1], 1)
			back, err := ToXML("full.toml", []byte(edited))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Replace(xml, edit[2], edit[3], 1), string(back)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestXMLErrors(t *testing.T) {
	for name, test := range map[string]struct{ xml, want string }{
		"empty":            {"", "c.xml:1:1: no <comps>"},
		"not XML":          {"comps", "c.xml:1:1: text \"comps\" outside of an element that holds text"},
		"other root":       {"<repomd/>", "c.xml:1:1: <repomd> where <comps> is expected"},
		"syntax":           {"<comps>\n<group></comps>", "c.xml:2: element <group> closed by </comps>"},
		"cut":              {"<comps>\n<group>", "c.xml:2: unexpected EOF"},
		"element":          {"<comps>\n  <grop/></comps>", "c.xml:2:3: unknown element <grop>"},
		"element in group": {"<comps><group><id>a</id>\n<grouplist/></group></comps>", "c.xml:2:1: unknown element <grouplist> in <group>"},
		"element in text":  {"<comps><group><id>a<b/></id></group></comps>", "c.xml:1:20: unknown element <b> in <id>"},
		"comment in text":  {"<comps><group><id>a<!-- b --></id></group></comps>", "c.xml:1:20: markup in <id> that cannot be kept"},
		"attribute":        {"<comps><group><id x=\"y\">a</id></group></comps>", "c.xml:1:15: unknown attribute x of <id>"},
		"twice":            {"<comps><group><id>a</id><id>b</id></group></comps>", "c.xml:1:25: a second <id> in one <group>"},
		"bool":             {"<comps><group><default>maybe</default></group></comps>", "c.xml:1:15: <default> is \"maybe\", neither true nor false"},
		"number":           {"<comps><group><display_order>1x</display_order></group></comps>", "c.xml:1:15: <display_order> is \"1x\", not a number"},
		"text":             {"<comps><group>stray</group></comps>", "c.xml:1:15: text \"stray\" outside of an element that holds text"},
		"encoding":         {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><comps/>", "encoding \"ISO-8859-1\" is not supported"},
		"entity":           {"<comps><group><id>&foo;</id></group></comps>", "invalid character entity &foo;"},
		"two langpacks":    {"<comps><langpacks/><langpacks/></comps>", "c.xml:1:20: a second <langpacks>"},
		"outer comment":    {"<!-- x --><comps/>", "c.xml:1:1: comment outside of <comps> cannot be kept"},
		"control":          {"<comps>\n<!-- \x10 --></comps>", "c.xml:2:1: comment holds a character that XML does not have"},
		"prefix":           {"<comps><x:group/></comps>", "unknown element <x:group>"},
		"second root":      {"<comps/><comps/>", "c.xml:1:9: <comps> where <comps> is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := FromXML("c.xml", []byte(test.xml))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, not %q", err, test.want)
			}
		})
	}
}

func TestTOMLErrors(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"syntax":        {"[[group]]\nid = \n", "c.toml:2:"},
		"key":           {"[[group]]\nid = 'a'\n\n[[group]]\nid = 'b'\nuservisble = true\n", "c.toml:6: unknown key uservisble in [[group]]"},
		"top":           {"\ngroups = []\n", "c.toml:2: unknown key groups"},
		"type":          {"[[group]]\nid = 'a'\ndefault = 'yes'\n", "c.toml:3: default must be true or false"},
		"number":        {"[[group]]\ndisplay_order = '1'\n", "c.toml:2: display_order must be a number from 0"},
		"negative":      {"[[group]]\ndisplay_order = -1\n", "c.toml:2: display_order must be a number from 0"},
		"string":        {"[[group]]\nid = 1\n", "c.toml:2: id must be a string"},
		"table":         {"[group]\nid = 'a'\n", "c.toml:1: group must be tables: [[group]]"},
		"package type":  {"[[group]]\npackages.must = ['a']\n", "c.toml:2: unknown key packages.must"},
		"package list":  {"[[group]]\npackages.default = 'a'\n", "c.toml:2: group.packages.default must be an array"},
		"packages":      {"[[group]]\npackages = ['a']\n", "c.toml:2: packages must be a table"},
		"package key":   {"[[group]]\npackages.default = ['a', { nme = 'b' }]\n", "c.toml:2: group.packages.default, item 2: unknown key nme"},
		"package entry": {"[[group]]\npackages.default = [1]\n", "item 1: must be a string or a table"},
		"groups":        {"[[group]]\ngroups = []\n", "c.toml:2: unknown key groups in [[group]]"},
		"layout":        {"[layout]\nfoo = 1\n", "c.toml:2: unknown key foo in [layout]"},
		"layout value":  {"[layout]\ndoctype = 'x'\n", "c.toml:2: layout.doctype has a value that it cannot have"},
		"deep":          {"a = " + strings.Repeat("[", 1<<20), "c.toml:1:105: nested deeper than 100"},
		"misplaced": {
			"[[group]]\nid = 'a'\n[[category]]\nid = 'b'\nnames.de = 'b'\n[group.names]\nde = 'a'\n",
			"group.names stands behind [[category]]: it belongs right behind its [[group]]",
		},
		"langpack": {"[langpacks]\na = 1\n", "c.toml:2: langpacks.a is not a string"},
		"comment":  {"[[comment]]\ntext = 'a--b'\n", "c.toml: comment \"a--b\" cannot stand in XML"},
		"control":  {"[[group]]\nid = \"\\u0001\"\n", "holds a character that XML does not have"},
		"lying layout": {
			"[[group]]\nid = 'a'\n[[layout.spelling]]\nline = 5\ncanonical = \"    <id>a</id>\\n\"\nwritten = \"    <id>b</id>\\n\"\n",
			"changes what the file says",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ToXML("c.toml", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, not %q", err, test.want)
			}
		})
	}
}

// compsFiles gives the files below the directories of WELD_COMPS.
func compsFiles(t *testing.T) []string {
	t.Helper()
	dirs := filepath.SplitList(os.Getenv("WELD_COMPS"))
	if len(dirs) == 0 {
		t.Skip("WELD_COMPS names no directories of comps files")
	}
	var files []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && strings.Contains(d.Name(), ".xml") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestCorpus converts real files, and lets libcomps compare what comes back.
func TestCorpus(t *testing.T) {
	identical, same, refused := 0, 0, 0
	for _, path := range compsFiles(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte("<comps")) {
			continue
		}
		text, lost, err := FromXML(filepath.Base(path), data)
		var place *Error
		switch {
		case errors.As(err, &place):
			refused++
			t.Logf("refused: %v", err)
			continue
		case err != nil:
			t.Errorf("%s: %v", path, err)
			continue
		case lost == 0:
			identical++
		default:
			same++
			t.Logf("%s:%d: written otherwise", filepath.Base(path), lost)
		}
		back, err := ToXML("x.toml", text)
		if err != nil {
			t.Fatal(err)
		}
		libcomps(t, data, back)
		var other any
		if err := pelletier.Unmarshal(text, &other); err != nil {
			t.Errorf("%s: another TOML reader: %v", path, err)
		}
	}
	t.Logf("%d identical, %d with the same content, %d refused", identical, same, refused)
}

func TestLibcomps(t *testing.T) {
	full := read(t, "full.xml")
	doc, err := ParseXML("full.xml", full)
	if err != nil {
		t.Fatal(err)
	}
	libcomps(t, full, full)
	for name, replace := range variants {
		xml := []byte(strings.NewReplacer(replace...).Replace(string(full)))
		other, err := ParseXML("full.xml", xml)
		if err != nil {
			t.Fatal(name, err)
		}
		if !bytes.Equal(withoutLayout(doc), withoutLayout(other)) {
			t.Errorf("%s: we read other content", name)
		}
		t.Run(name, func(t *testing.T) { libcomps(t, full, xml) })
	}
}

// libcomps asks libcomps whether two files are equal.
func libcomps(t *testing.T, a, b []byte) {
	t.Helper()
	python := "/usr/bin/python3" // the one that distributions package libcomps for
	if exec.Command(python, "-c", "import libcomps").Run() != nil {
		judges.Missing(t, "python3-libcomps is missing")
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"a.xml": a, "b.xml": b} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const script = `
import libcomps, sys
def load(name):
    c = libcomps.Comps()
    c.fromxml_f(name)
    return c
a, b = load("a.xml"), load("b.xml")
sys.exit(0 if a == b and a.xml_str() == b.xml_str() else 1)
`
	cmd := exec.Command(python, "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("libcomps finds a difference: %v %s", err, out)
	}
}

func FuzzXML(f *testing.F) {
	full := read(f, "full.xml")
	f.Add(full)
	for _, replace := range variants {
		f.Add([]byte(strings.NewReplacer(replace...).Replace(string(full))))
	}
	f.Add([]byte("<comps><!-- \x10 --></comps>"))
	f.Fuzz(func(t *testing.T, xml []byte) {
		text, _, err := FromXML("c.xml", xml)
		var place *Error
		if err != nil {
			if !errors.As(err, &place) {
				t.Fatalf("no place: %v", err)
			}
			return
		}
		doc, err := ParseTOML("c.toml", text)
		if err != nil {
			t.Fatal(err)
		}
		if again := doc.TOML(); !bytes.Equal(again, text) {
			t.Fatalf("TOML comes back otherwise:\n%s", cmp.Diff(string(text), string(again)))
		}
	})
}

func FuzzTOML(f *testing.F) {
	f.Add(read(f, "full.toml"))
	for _, replace := range variants {
		xml := []byte(strings.NewReplacer(replace...).Replace(string(read(f, "full.xml"))))
		text, _, err := FromXML("c.xml", xml)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := ParseTOML("c.toml", text)
		if err != nil {
			return
		}
		if _, err := doc.XML(); err != nil {
			return
		}
		xml, err := (&Document{Items: doc.Items}).canonical()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse("c.xml", xml)
		if err != nil {
			t.Fatalf("we cannot read what we write: %v\n%s", err, xml)
		}
		again.Layout = Layout{}
		if twice, err := again.canonical(); err != nil || !bytes.Equal(xml, twice) {
			t.Fatalf("XML comes back otherwise, %v:\n%s", err, cmp.Diff(string(xml), string(twice)))
		}
	})
}
