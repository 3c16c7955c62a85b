package repo

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// metrics counts what the server does.
type metrics struct {
	inFlight    atomic.Int64
	bytes       atomic.Int64
	generations atomic.Int64
	buildNanos  atomic.Int64
	buildErrors atomic.Int64

	mu       sync.Mutex
	requests map[requestClass]int64
}

type requestClass struct {
	what string // page, repodata, package, other
	code int
}

func (m *metrics) request(what string, code int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.requests == nil {
		m.requests = map[requestClass]int64{}
	}
	m.requests[requestClass{what, code}]++
}

func (m *metrics) built(d time.Duration, err error) {
	m.buildNanos.Add(int64(d))
	if err != nil {
		m.buildErrors.Add(1)
		return
	}
	m.generations.Add(1)
}

// write prints the metrics in the text format of Prometheus.
func (m *metrics) write(w io.Writer, c *packageCache) {
	head := func(name, typ, help string) {
		fmt.Fprintf(w, "# HELP repogen_%s %s\n# TYPE repogen_%s %s\n", name, help, name, typ)
	}
	one := func(name, typ, help string, value any) {
		head(name, typ, help)
		fmt.Fprintf(w, "repogen_%s %v\n", name, value)
	}
	head("requests_total", "counter", "Requests by kind and status.")
	m.mu.Lock()
	for _, class := range sortedClasses(m.requests) {
		fmt.Fprintf(w, "repogen_requests_total{kind=%q,code=\"%d\"} %d\n", class.what, class.code, m.requests[class])
	}
	m.mu.Unlock()
	one("requests_in_flight", "gauge", "Requests being answered.", m.inFlight.Load())
	one("response_bytes_total", "counter", "Bytes of responses.", m.bytes.Load())
	one("generations_total", "counter", "Generations of metadata made.", m.generations.Load())
	one("generation_errors_total", "counter", "Generations that failed.", m.buildErrors.Load())
	one("generation_seconds_total", "counter", "Time spent making generations.", time.Duration(m.buildNanos.Load()).Seconds())
	one("package_cache_hits_total", "counter", "Packages found in the cache.", c.hits.Load())
	one("package_cache_misses_total", "counter", "Packages made again.", c.misses.Load())
	one("package_cache_evictions_total", "counter", "Packages removed from the cache.", c.evictions.Load())
	one("package_failures_total", "counter", "Packages that could not be made or failed their check.", c.failures.Load())
	c.mu.Lock()
	used, count := c.used, c.order.Len()
	c.mu.Unlock()
	one("package_cache_bytes", "gauge", "Bytes in the package cache.", used)
	one("package_cache_files", "gauge", "Files in the package cache.", count)
}
