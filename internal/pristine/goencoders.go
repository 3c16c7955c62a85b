package pristine

import (
	"compress/flate"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	kflate "github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// The versions of github.com/klauspost/compress and pgzip in go.mod; a test holds
// them together.
const (
	klauspostVersion = "1.20.3"
	pgzipVersion     = "1.3.0"
)

// goEncoder is an encoder in this process.
type goEncoder struct {
	lib, ver string
	open     func(w io.Writer, params map[string]int64) (io.WriteCloser, error)
}

func (g *goEncoder) library() string { return g.lib }
func (g *goEncoder) version() string { return g.ver }

// goVersion is the release of the Go standard library, as "1.26": patch
// releases have never changed what its encoders write.
func goVersion() string {
	parts := strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}

func goEncoders() []encoder {
	return []encoder{
		&goEncoder{"go-flate", goVersion(), func(w io.Writer, p map[string]int64) (io.WriteCloser, error) {
			return flate.NewWriter(w, int(p["level"]))
		}},
		&goEncoder{"klauspost-flate", klauspostVersion, func(w io.Writer, p map[string]int64) (io.WriteCloser, error) {
			return kflate.NewWriter(w, int(p["level"]))
		}},
		&goEncoder{"pgzip", pgzipVersion, func(w io.Writer, p map[string]int64) (io.WriteCloser, error) {
			bare := &bareDeflate{w: w}
			z, err := pgzip.NewWriterLevel(bare, int(p["level"]))
			return pgzipWriter{z, bare}, err
		}},
		&goEncoder{"klauspost-zstd", klauspostVersion, func(w io.Writer, p map[string]int64) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(p["checksum"] != 0),
				zstd.WithEncoderLevel(zstd.EncoderLevel(p["level"])))
		}},
		&goEncoder{"copy", "1", func(w io.Writer, _ map[string]int64) (io.WriteCloser, error) {
			return nopWriteCloser{w}, nil
		}},
	}
}

// pgzipWriter writes the deflate stream of a gzip member only.
type pgzipWriter struct {
	*pgzip.Writer
	bare *bareDeflate
}

func (p pgzipWriter) Close() error {
	if err := p.Writer.Close(); err != nil {
		return err
	}
	return p.bare.end()
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }

func (g *goEncoder) encode(ctx context.Context, params []param, _ int, in io.Reader, out io.Writer) error {
	values := map[string]int64{}
	for _, p := range params {
		if p.name != "level" && p.name != "checksum" {
			return fmt.Errorf("%s: unknown parameter %s", g.lib, p)
		}
		values[p.name] = p.value
	}
	z, err := g.open(out, values)
	if err != nil {
		return fmt.Errorf("%s: %w", g.lib, err)
	}
	if _, err := io.Copy(z, ctxReader{ctx, in}); err != nil {
		z.Close()
		return err
	}
	return z.Close()
}

// ctxReader ends when ctx does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
