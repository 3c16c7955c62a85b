/* Raw deflate by zlib. */
#include "helper.h"

#include <zlib.h>

extern int weld_rsync; /* zlib_rsync.h */

static unsigned char in[1 << 16], out[1 << 14];

int main(int argc, char **argv)
{
	enum { LEVEL, MEM, STRATEGY, CHUNK, RSYNC };
	struct param p[] = {
		[LEVEL] = { "level", 6, 0, 9 },
		[MEM] = { "mem", 8, 1, 9 },
		[STRATEGY] = { "strategy", Z_DEFAULT_STRATEGY, 0, Z_FIXED },
		[CHUNK] = { "chunk", sizeof in, 1, sizeof in },
		[RSYNC] = { "rsync", 0, 0, 1 }, /* for levels from 4 on */
	};
	z_stream z;
	int flush, r;

	parse_params(argc, argv, p, sizeof p / sizeof *p, "zlib", zlibVersion());
	memset(&z, 0, sizeof z);
	r = deflateInit2(&z, (int)p[LEVEL].value, Z_DEFLATED, -MAX_WBITS, (int)p[MEM].value, (int)p[STRATEGY].value);
	if (r != Z_OK)
		die(1, "deflateInit2: %d", r);
	weld_rsync = (int)p[RSYNC].value;
	z.next_out = out; /* is written when it is full, as by zlib's own gzwrite */
	z.avail_out = sizeof out;
	do {
		size_t want = (size_t)p[CHUNK].value;

		z.next_in = in;
		z.avail_in = (uInt)fill(in, want);
		flush = z.avail_in < want ? Z_FINISH : Z_NO_FLUSH;
		for (;;) {
			r = deflate(&z, flush);
			if (r == Z_STREAM_ERROR)
				die(1, "deflate: %d", r);
			if (z.avail_out > 0)
				break;
			put(out, sizeof out);
			z.next_out = out;
			z.avail_out = sizeof out;
		}
	} while (flush != Z_FINISH);
	if (r != Z_STREAM_END)
		die(1, "deflate: %d at the end", r);
	put(out, sizeof out - z.avail_out);
	return 0;
}
