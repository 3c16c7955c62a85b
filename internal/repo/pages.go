package repo

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

const (
	listLength   = 200 // packages on a page
	maxChanges   = 100 // lines of changes on a page
	maxChangelog = 1000
)

// writePage renders a page. Pages load nothing from elsewhere and run no scripts.
func writePage(w http.ResponseWriter, r *http.Request, name string, data any) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'")
	h.Set("Cache-Control", cacheNever)
	h.Set("ETag", strconv.Quote(digest(b.Bytes())))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b.Bytes()))
	return nil
}

// indexPage lists the collections.
func (s *Server) indexPage(w http.ResponseWriter, r *http.Request) error {
	names, err := s.store.Collections()
	if err != nil {
		return err
	}
	type row struct {
		Name, Link string
		Packages   int
	}
	var rows []row
	for _, name := range names {
		c, err := s.store.Collection(name)
		if err != nil {
			return err
		}
		packages, err := c.Packages()
		if err != nil {
			return err
		}
		rows = append(rows, row{Name: name, Link: (&urlPath{"/" + name + "/"}).String(), Packages: len(packages)})
	}
	return writePage(w, r, "index.html", rows)
}

// page serves the pages of a collection.
func (v *view) page(w http.ResponseWriter, r *http.Request, rest string) error {
	switch {
	case rest == "":
		return v.collectionPage(w, r)
	case strings.HasPrefix(rest, "package/"):
		return v.packagePage(w, r, rest[len("package/"):])
	case rest == "weld.repo":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", cacheNever)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(v.repoFile(r)))
		return nil
	}
	return errNoPage
}

// repoFile is what a client's configuration says of the repository.
func (v *view) repoFile(r *http.Request) string {
	base := address(r) + (&urlPath{v.root + "/"}).String()
	var b strings.Builder
	id := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:", c) {
			return c
		}
		return '-'
	}, v.repo.collection)
	name := strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, v.repo.collection)
	fmt.Fprintf(&b, "[%s]\nname=%s\nbaseurl=%s\nenabled=1\n", id, name, base)
	if v.repo.opts.Signer != nil {
		fmt.Fprintf(&b, "repo_gpgcheck=1\ngpgkey=%srepodata/repomd.xml.key\n", base)
	}
	return b.String()
}

type packageRow struct{ Name, EVR, Arch, Link, Download string }

type changeRow struct{ What, Class, NEVRA, Link string }

type changesPart struct {
	Before string
	Lines  []changeRow
	More   int
}

type fileRow struct{ Type, Href, Size string }

type collectionPage struct {
	Name, Root, ID, KeyID, Time, Repo, Query string
	Total, Found, From, To                   int
	Files                                    []fileRow
	List                                     []packageRow
	Next, Back                               string
	Changes                                  *changesPart
}

func (v *view) collectionPage(w http.ResponseWriter, r *http.Request) error {
	gen, err := v.repo.current(r.Context())
	if err != nil {
		return err
	}
	p := collectionPage{
		Name: v.repo.collection, Root: (&urlPath{v.root}).String(), ID: gen.ID, Time: day(gen.Time), Repo: v.repoFile(r),
		Query: r.FormValue("q"), Total: gen.Packages,
	}
	if s := v.repo.opts.Signer; s != nil {
		p.KeyID = s.KeyID()
	}
	for _, rec := range gen.Records {
		p.Files = append(p.Files, fileRow{Type: rec.Type, Href: rec.LocationHref, Size: bytesText(rec.Size)})
	}
	var found []*member
	for i := range gen.members {
		if matches(gen.members[i].pkg, p.Query) {
			found = append(found, &gen.members[i])
		}
	}
	v.fillList(&p, found, r.FormValue("from"))
	if p.Changes, err = v.changes(gen); err != nil {
		return err
	}
	return writePage(w, r, "collection.html", &p)
}

// fillList takes the part of found that starts at from.
func (v *view) fillList(p *collectionPage, found []*member, from string) {
	start, err := strconv.Atoi(from)
	if err != nil || start < 0 || start >= len(found) {
		start = 0
	}
	end := min(start+listLength, len(found))
	p.Found, p.From, p.To = len(found), start+1, end
	for _, m := range found[start:end] {
		n := m.pkg.Split()
		p.List = append(p.List, packageRow{
			Name: n.Name, EVR: n.EVR(), Arch: n.Arch, Link: v.packageLink(m.pkg), Download: v.download(m),
		})
	}
	link := func(n int) string {
		return (&urlPath{v.root + "/"}).String() + "?" + url.Values{"q": {p.Query}, "from": {strconv.Itoa(n)}}.Encode()
	}
	if end < len(found) {
		p.Next = link(end)
	}
	if start > 0 {
		p.Back = link(max(start-listLength, 0))
	}
}

func (v *view) packageLink(p *content.Package) string {
	return (&urlPath{v.root + "/package/" + p.NEVRA() + "@" + p.ShortID()}).String()
}

func (v *view) download(m *member) string { return (&urlPath{v.root + "/" + m.href}).String() }

// matches reports whether a package fits what was typed: every word is somewhere in its identity.
func matches(p *content.Package, query string) bool {
	nevra := strings.ToLower(p.NEVRA())
	for word := range strings.FieldsSeq(strings.ToLower(query)) {
		if !strings.Contains(nevra, word) {
			return false
		}
	}
	return true
}

// changes compares gen with the generation that was shown before it.
func (v *view) changes(gen *liveGeneration) (*changesPart, error) {
	gens := v.repo.generations()
	i := slices.IndexFunc(gens, func(g *liveGeneration) bool { return g.ID == gen.ID })
	if i < 0 || i+1 >= len(gens) {
		return nil, nil
	}
	diff, err := gens[i+1].collection.Diff(gen.collection)
	if err != nil {
		return nil, err
	}
	part := &changesPart{Before: gens[i+1].ID[:12]}
	for _, d := range diff[:min(len(diff), maxChanges)] {
		switch {
		case d.Old == nil:
			part.Lines = append(part.Lines, changeRow{"added", "added", d.New.NEVRA(), v.packageLink(d.New)})
		case d.New == nil:
			part.Lines = append(part.Lines, changeRow{"removed", "gone", d.Old.NEVRA(), ""})
		default:
			part.Lines = append(part.Lines, changeRow{"signed anew", "dim", d.New.NEVRA(), v.packageLink(d.New)})
		}
	}
	part.More = len(diff) - len(part.Lines)
	return part, nil
}

type depList struct {
	Kind string
	List []string
}

type changelogRow struct{ When, Author, Text string }

type packagePage struct {
	NEVRA, Root, Collection         string
	File, Download, Size, Installed string
	Built                           string
	P                               *repodata.Package
	Signatures                      []string
	Deps                            []depList
	Files                           []string
	Changelog                       []changelogRow
}

func (v *view) packagePage(w http.ResponseWriter, r *http.Request, name string) error {
	gen, err := v.repo.current(r.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(gen.members, func(m member) bool { return m.pkg.NEVRA()+"@"+m.pkg.ShortID() == name })
	if i < 0 {
		found, err := gen.collection.Find(name)
		if err != nil {
			return err
		}
		i = slices.IndexFunc(gen.members, func(m member) bool { return m.pkg.Tree == found[0].Tree })
	}
	if i < 0 {
		return errNoPage
	}
	m := &gen.members[i]
	e, err := m.pkg.Select(v.repo.opts.Form)
	if err != nil {
		return err
	}
	parts, err := m.pkg.Parts(e)
	if err != nil {
		return err
	}
	var pkg repodata.Package
	builder := repodata.Builder{ChangelogLimit: maxChangelog}
	builder.Build(&pkg, parts)
	if errors.Is(pkg.Check(), repodata.ErrTooLarge) {
		pkg.Files = nil
	}
	p := packagePage{
		NEVRA: m.pkg.NEVRA(), Root: (&urlPath{v.root}).String(), Collection: v.repo.collection, File: m.file, Download: v.download(m),
		Size: bytesText(e.Size), Installed: bytesText(pkg.SizeInstalled),
		Built: day(time.Unix(pkg.TimeBuild, 0)), P: &pkg,
	}
	if err := p.fill(m); err != nil {
		return err
	}
	return writePage(w, r, "package.html", &p)
}

func (p *packagePage) fill(m *member) error {
	exports, err := m.pkg.Exports()
	if err != nil {
		return err
	}
	for _, e := range exports {
		if len(e.Keys) > 0 {
			p.Signatures = append(p.Signatures, "key "+strings.Join(e.Keys, ", "))
		}
	}
	for k := range p.P.Deps {
		list := depList{Kind: repodata.DepKind(k).String()}
		for i := range p.P.Deps[k] {
			list.List = append(list.List, depText(&p.P.Deps[k][i]))
		}
		p.Deps = append(p.Deps, list)
	}
	for i := range p.P.Files {
		p.Files = append(p.Files, p.P.Files[i].Dir+p.P.Files[i].Base)
	}
	for _, c := range slices.Backward(p.P.Changelogs) {
		p.Changelog = append(p.Changelog, changelogRow{When: day(time.Unix(c.Date, 0)), Author: c.Author, Text: c.Text})
	}
	return nil
}

func depText(d *repodata.Dep) string {
	signs := map[string]string{"LT": "<", "GT": ">", "EQ": "=", "LE": "<=", "GE": ">="}
	if d.Flags == "" {
		return d.Name
	}
	evr := d.Version
	if d.Epoch != "" && d.Epoch != "0" {
		evr = d.Epoch + ":" + evr
	}
	if d.Release != "" {
		evr += "-" + d.Release
	}
	return d.Name + " " + signs[d.Flags] + " " + evr
}

func day(t time.Time) string {
	if t.Unix() <= 0 {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// bytesText prints a size for people.
func bytesText(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	size, unit := float64(n), 0
	for size >= 1000 && unit < len(units)-1 {
		size /= 1000
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}
