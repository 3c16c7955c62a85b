package repo

import (
	"cmp"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// response writes an answer piece by piece, with a time limit for each piece: a slow client may take as long as it
// reads on, a dead one goes.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	code    int
	written int64
}

func newResponse(w http.ResponseWriter) *response {
	return &response{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Unwrap serves http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) status() int { return cmp.Or(w.code, http.StatusOK) }

// WriteHeader notes the status.
func (w *response) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write writes one piece.
func (w *response) Write(b []byte) (int, error) {
	w.code = w.status()
	w.extend()
	n, err := w.ResponseWriter.Write(b)
	w.written += int64(n)
	return n, err
}

// extend gives the next piece its time. Writers that know no deadlines have none.
func (w *response) extend() { w.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// piece is the number of bytes of a file that are sent under one time limit.
const piece = 1 << 20

// ReadFrom lets the system send files without copying them. From other sources the next bytes may be long in coming, and the client's
// time begins when they are there.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	w.code = w.status()
	to, fast := w.ResponseWriter.(io.ReaderFrom)
	limited, ok := r.(*io.LimitedReader)
	if ok {
		_, ok = limited.R.(*os.File)
	}
	if !ok || !fast {
		return io.CopyBuffer(onlyWriter{w}, r, make([]byte, 64<<10))
	}
	var total int64
	for limited.N > 0 {
		w.extend()
		want := min(limited.N, piece)
		n, err := to.ReadFrom(&io.LimitedReader{R: limited.R, N: want})
		limited.N -= n
		total += n
		w.written += n
		if err != nil || n < want {
			return total, err
		}
	}
	return total, nil
}

// onlyWriter hides ReadFrom from io.Copy.
type onlyWriter struct{ io.Writer }

// watchedReader keeps the error that ended the reading, which http.ServeContent does not report.
type watchedReader struct {
	io.ReadSeekCloser
	err error
}

func (r *watchedReader) Read(b []byte) (int, error) {
	n, err := r.ReadSeekCloser.Read(b)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// repomd.xml and its signature are two requests, in this order (dnf) or the other (zypper), and between them the
// repository may change. The half that comes second is taken from the generation of the first.

// half is one of the two.
type half uint8

const (
	theRepomd half = iota
	theSignature
)

// pending is a half that a client has, and whose counterpart it may ask for next.
type pending struct {
	half half
	id   string // of the generation
	when time.Time
}

// pairTime is how long a client may take between the two.
const pairTime = 30 * time.Second

// connKey finds the memory of a connection in its context.
type connKey struct{}

// clientMemory keeps what is pending, by connection or client and repository.
type clientMemory struct {
	limit int // entries; maxClients when 0
	mu    sync.Mutex
	last  map[clientKey]pending
}

type clientKey struct{ host, agent, root string }

// The limits bound the memory; what is forgotten costs a client one retry at worst.
const (
	maxClients = 10000
	maxPerConn = 32 // of a connection, which is one client's or a proxy's
)

func (m *clientMemory) put(key clientKey, p pending) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil || len(m.last) >= cmp.Or(m.limit, maxClients) {
		m.last = map[clientKey]pending{}
	}
	m.last[key] = p
}

// take returns the generation of the other half, if that is pending.
func (m *clientMemory) take(key clientKey, want half) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.last[key]
	if !ok || p.half == want || time.Since(p.when) > pairTime {
		return ""
	}
	delete(m.last, key)
	return p.id
}

// memories returns where to look: the connection's own memory, then that of all clients of an address and program.
func (s *Server) memories(r *http.Request, root string) ([]*clientMemory, clientKey) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	list := []*clientMemory{&s.seen}
	if conn, ok := r.Context().Value(connKey{}).(*clientMemory); ok {
		list = []*clientMemory{conn, &s.seen}
	}
	return list, clientKey{host: host, agent: r.UserAgent()[:min(len(r.UserAgent()), 200)], root: root}
}

// pair returns the generation whose half h belongs to what the client has, or "".
func (s *Server) pair(r *http.Request, root string, h half) (id string) {
	list, key := s.memories(r, root)
	for _, m := range list {
		if found := m.take(key, h); id == "" {
			id = found
		}
	}
	return id
}

// remember notes that the client has half h of a generation.
func (s *Server) remember(r *http.Request, root string, h half, id string) {
	if r.Method != http.MethodGet {
		return
	}
	list, key := s.memories(r, root)
	for _, m := range list {
		m.put(key, pending{half: h, id: id, when: time.Now()})
	}
}

// limitConns accepts at most n connections at a time; others wait.
func limitConns(l net.Listener, n int) net.Listener {
	return &limitedListener{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

type limitedListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept waits for a free place and a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return &limitedConn{Conn: c, done: sync.OnceFunc(func() { <-l.slots })}, nil
	}
	return &limitedTCP{TCPConn: tcp, done: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close ends Accept.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	done func()
}

// Close gives the place back.
func (c *limitedConn) Close() error {
	defer c.done()
	return c.Conn.Close()
}

// limitedTCP keeps the methods by which the system sends files itself.
type limitedTCP struct {
	*net.TCPConn
	done func()
}

// Close gives the place back.
func (c *limitedTCP) Close() error {
	defer c.done()
	return c.TCPConn.Close()
}

func sortedClasses(m map[requestClass]int64) []requestClass {
	return slices.SortedFunc(maps.Keys(m), func(a, b requestClass) int {
		return cmp.Or(cmp.Compare(a.what, b.what), cmp.Compare(a.code, b.code))
	})
}
