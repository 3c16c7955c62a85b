package repo

import (
	"cmp"
	"io"
	"maps"
	"net"
	"net/http"
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

// ReadFrom lets the system send files without copying them.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	w.code = w.status()
	limited, ok := r.(*io.LimitedReader)
	to, fast := w.ResponseWriter.(io.ReaderFrom)
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

// connKey finds the memory of a connection in its context.
type connKey struct{}

// connMemory is what a connection read last, by root of the repository.
type connMemory struct {
	mu   sync.Mutex
	last map[string]string
}

// clientMemory is what clients read last, by address, program and repository. repomd.xml and its signature are two
// requests; between them the repository may change.
type clientMemory struct {
	mu   sync.Mutex
	last map[clientKey]string
}

type clientKey struct{ host, agent, root string }

// maxClients bounds the memory; what is forgotten costs a client one retry at worst.
const maxClients = 10000

func keyOf(r *http.Request, root string) clientKey {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return clientKey{host: host, agent: r.UserAgent()[:min(len(r.UserAgent()), 200)], root: root}
}

// remember notes the generation whose repomd.xml was sent.
func (s *Server) remember(r *http.Request, root, id string) {
	if conn, ok := r.Context().Value(connKey{}).(*connMemory); ok {
		conn.mu.Lock()
		if conn.last == nil {
			conn.last = map[string]string{}
		}
		conn.last[root] = id
		conn.mu.Unlock()
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	if s.seen.last == nil || len(s.seen.last) >= maxClients {
		s.seen.last = map[clientKey]string{}
	}
	s.seen.last[keyOf(r, root)] = id
}

// recall returns the generation that the client read last: on this connection, or else from its address.
func (s *Server) recall(r *http.Request, root string) string {
	if conn, ok := r.Context().Value(connKey{}).(*connMemory); ok {
		conn.mu.Lock()
		id := conn.last[root]
		conn.mu.Unlock()
		if id != "" {
			return id
		}
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	return s.seen.last[keyOf(r, root)]
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
