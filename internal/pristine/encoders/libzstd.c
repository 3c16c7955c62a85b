/*
 * One zstd frame by libzstd.
 *
 * workers=N makes the frame as the multi-threaded encoder does; every N above
 * 0 gives the same bytes. long=1 switches long distance matching on, window=N
 * sets the window log. pledge=N tells the size beforehand (it then stands in
 * the frame header); -1 does not.
 */
#include "helper.h"

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

static unsigned char in[1 << 17], out[1 << 16];

static void set(ZSTD_CCtx *z, ZSTD_cParameter name, const struct param *p)
{
	size_t r = ZSTD_CCtx_setParameter(z, name, (int)p->value);

	if (ZSTD_isError(r))
		die(2, "%s=%lld: %s", p->name, p->value, ZSTD_getErrorName(r));
}

/* code hands over n bytes of in and writes what comes out, until the directive is complete. */
static void code(ZSTD_CCtx *z, size_t n, ZSTD_EndDirective end)
{
	ZSTD_inBuffer i = { in, n, 0 };
	size_t r;

	do {
		ZSTD_outBuffer o = { out, sizeof out, 0 };

		r = ZSTD_compressStream2(z, &o, &i, end);
		if (ZSTD_isError(r))
			die(1, "ZSTD_compressStream2: %s", ZSTD_getErrorName(r));
		put(out, o.pos);
	} while (end == ZSTD_e_end ? r != 0 : i.pos < i.size);
}

int main(int argc, char **argv)
{
	enum { LEVEL, WORKERS, WINDOW, LONG, CHECKSUM, CONTENTSIZE, PLEDGE };
	struct param p[] = {
		[LEVEL] = { "level", 3, -131072, 22 },
		[WORKERS] = { "workers", 0, 0, 256 },
		[WINDOW] = { "window", 0, 10, 31 },
		[LONG] = { "long", 0, 0, 1 },
		[CHECKSUM] = { "checksum", 0, 0, 1 },
		[CONTENTSIZE] = { "contentsize", 1, 0, 1 },
		[PLEDGE] = { "pledge", -1, -1, INT64_MAX },
	};
	ZSTD_CCtx *z;
	size_t n, r;

	parse_params(argc, argv, p, sizeof p / sizeof *p, "libzstd", ZSTD_versionString());
	z = ZSTD_createCCtx();
	if (z == NULL)
		die(1, "ZSTD_createCCtx: out of memory");
	set(z, ZSTD_c_compressionLevel, &p[LEVEL]);
	set(z, ZSTD_c_checksumFlag, &p[CHECKSUM]);
	set(z, ZSTD_c_contentSizeFlag, &p[CONTENTSIZE]);
	if (p[LONG].value)
		set(z, ZSTD_c_enableLongDistanceMatching, &p[LONG]);
	if (p[WINDOW].value)
		set(z, ZSTD_c_windowLog, &p[WINDOW]);
	if (p[WORKERS].value)
		set(z, ZSTD_c_nbWorkers, &p[WORKERS]);
	if (p[PLEDGE].value >= 0) {
		r = ZSTD_CCtx_setPledgedSrcSize(z, (unsigned long long)p[PLEDGE].value);
		if (ZSTD_isError(r))
			die(2, "pledge: %s", ZSTD_getErrorName(r));
	}
	/* The end is told by itself: with data it would tell the size as well. */
	while ((n = fill(in, sizeof in)) > 0)
		code(z, n, ZSTD_e_continue);
	code(z, 0, ZSTD_e_end);
	ZSTD_freeCCtx(z);
	return 0;
}
