/* One bzip2 stream by libbz2. */
#include "helper.h"

#include <bzlib.h>

static char in[1 << 16], out[1 << 14];

int main(int argc, char **argv)
{
	enum { LEVEL, WORK };
	struct param p[] = {
		[LEVEL] = { "level", 9, 1, 9 },
		[WORK] = { "work", 0, 0, 250 },
	};
	char version[32];
	bz_stream z;
	int action, r;

	/* BZ2_bzlibVersion says "1.0.8, 13-Jul-2019". */
	snprintf(version, sizeof version, "%.*s", (int)strcspn(BZ2_bzlibVersion(), ", "), BZ2_bzlibVersion());
	parse_params(argc, argv, p, sizeof p / sizeof *p, "libbz2", version);
	memset(&z, 0, sizeof z);
	r = BZ2_bzCompressInit(&z, (int)p[LEVEL].value, 0, (int)p[WORK].value);
	if (r != BZ_OK)
		die(1, "BZ2_bzCompressInit: %d", r);
	do {
		z.next_in = in;
		z.avail_in = (unsigned)fill(in, sizeof in);
		action = z.avail_in < sizeof in ? BZ_FINISH : BZ_RUN;
		do {
			z.next_out = out;
			z.avail_out = sizeof out;
			r = action == BZ_RUN && z.avail_in == 0 ? BZ_RUN_OK : BZ2_bzCompress(&z, action);
			if (r < 0)
				die(1, "BZ2_bzCompress: %d", r);
			put(out, sizeof out - z.avail_out);
		} while (action == BZ_FINISH ? r != BZ_STREAM_END : z.avail_in > 0);
	} while (action != BZ_FINISH);
	return 0;
}
