package repo

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// address returns the URL of the server as the client knows it.
func address(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// generationURL returns the address of one generation, where nothing ever changes.
func (v *view) generationURL(r *http.Request, id string) string {
	return address(r) + (&urlPath{v.root + "/gen/" + id + "/"}).String()
}

// mirrorlist names the present generation, so that a client reads all files of one.
func (v *view) mirrorlist(w *response, r *http.Request) error {
	gen, err := v.repo.current(r.Context())
	if err != nil {
		return err
	}
	data := v.generationURL(r, gen.ID) + "\n"
	w.Header().Set("Vary", "X-Forwarded-Proto")
	return v.document(w, r, gen, []byte(data), "text/plain; charset=utf-8", false)
}

// metalink describes the present repomd.xml, and older ones as alternates, in the format of mirrormanager.
func (v *view) metalink(w *response, r *http.Request) error {
	gen, err := v.repo.current(r.Context())
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager"`)
	fmt.Fprintf(&b, ` type="dynamic" pubdate=%q generator="weld-bridge">`+"\n", gen.Time.Format(time.RFC1123))
	b.WriteString(" <files>\n  <file name=\"repomd.xml\">\n")
	describeRepomd(&b, gen, "   ")
	var older []*liveGeneration
	for _, g := range v.repo.generations() {
		if g.ID != gen.ID {
			older = append(older, g)
		}
	}
	if len(older) > 0 {
		b.WriteString("   <mm0:alternates>\n")
		for _, g := range older {
			b.WriteString("    <mm0:alternate>\n")
			describeRepomd(&b, g, "     ")
			b.WriteString("    </mm0:alternate>\n")
		}
		b.WriteString("   </mm0:alternates>\n")
	}
	place := v.generationURL(r, gen.ID) + "repodata/repomd.xml"
	protocol, _, _ := strings.Cut(place, ":")
	fmt.Fprintf(&b, "   <resources maxconnections=\"1\">\n    <url protocol=%q type=%q preference=\"100\">%s</url>\n   </resources>\n",
		protocol, protocol, repodata.EscapeText(place))
	b.WriteString("  </file>\n </files>\n</metalink>\n")
	w.Header().Set("Vary", "X-Forwarded-Proto")
	return v.document(w, r, gen, []byte(b.String()), "application/metalink+xml; charset=utf-8", false)
}

// describeRepomd writes what lets a client check a repomd.xml.
func describeRepomd(b *strings.Builder, gen *liveGeneration, indent string) {
	fmt.Fprintf(b, "%s<mm0:timestamp>%d</mm0:timestamp>\n%s<size>%d</size>\n", indent, gen.Time.Unix(), indent, len(gen.Repomd))
	fmt.Fprintf(b, "%s<verification>\n%s <hash type=\"sha256\">%s</hash>\n%s</verification>\n", indent, indent, gen.ID, indent)
}
