/* Raw deflate by zlib. */
#include "helper.h"

#include <zlib.h>

static unsigned char in[1 << 16], out[1 << 14];

int main(int argc, char **argv)
{
	enum { LEVEL, MEM, STRATEGY, CHUNK };
	struct param p[] = {
		[LEVEL] = { "level", 6, 0, 9 },
		[MEM] = { "mem", 8, 1, 9 },
		[STRATEGY] = { "strategy", Z_DEFAULT_STRATEGY, 0, Z_FIXED },
		[CHUNK] = { "chunk", sizeof in, 1, sizeof in },
	};
	z_stream z;
	int flush, r;

	parse_params(argc, argv, p, sizeof p / sizeof *p, "zlib", zlibVersion());
	memset(&z, 0, sizeof z);
	r = deflateInit2(&z, (int)p[LEVEL].value, Z_DEFLATED, -MAX_WBITS, (int)p[MEM].value, (int)p[STRATEGY].value);
	if (r != Z_OK)
		die(1, "deflateInit2: %d", r);
	do {
		size_t want = (size_t)p[CHUNK].value;

		z.next_in = in;
		z.avail_in = (uInt)fill(in, want);
		flush = z.avail_in < want ? Z_FINISH : Z_NO_FLUSH;
		do {
			z.next_out = out;
			z.avail_out = sizeof out;
			r = deflate(&z, flush);
			if (r == Z_STREAM_ERROR)
				die(1, "deflate: %d", r);
			put(out, sizeof out - z.avail_out);
		} while (z.avail_out == 0);
	} while (flush != Z_FINISH);
	if (r != Z_STREAM_END)
		die(1, "deflate: %d at the end", r);
	return 0;
}
