/*
 * .xz streams and .lzma files by liblzma.
 *
 * The filter chain is preset (and extreme), then what overrides it: dict, lc,
 * lp, pb, mode, mf, nice, depth; -1 leaves the preset's value. Before LZMA2
 * may stand one branch filter (bcj=ID as in the .xz format) and one delta filter.
 * mt=1 makes blocks as the multi-threaded encoder does (sizes in the block
 * headers); how many threads do it changes nothing in the output. block=N cuts
 * blocks of N bytes. format: 0 .xz, 1 .lzma, 2 LZMA2 without a container.
 */
#include "helper.h"

#include <lzma.h>

/*
 * WELD_BARE builds for sources that make LZMA2 data only: format 2 it is then.
 */
#ifdef WELD_BARE
#define LIBRARY "lzma2"
#define VERSION WELD_BARE
#define FORMATS 2, 2, 2
#else
#define LIBRARY "liblzma"
#define VERSION lzma_version_string()
#define FORMATS 0, 0, 2
#endif

static unsigned char in[1 << 16], out[1 << 14];

enum { FORMAT, PRESET, EXTREME, CHECK, MT, THREADS, BLOCK, DICT, LC, LP, PB, MODE, MF, NICE, DEPTH, BCJ, DELTA };

static struct param p[] = {
	[FORMAT] = { "format", FORMATS },
	[PRESET] = { "preset", 6, 0, 9 },
	[EXTREME] = { "extreme", 0, 0, 1 },
	[CHECK] = { "check", LZMA_CHECK_CRC64, 0, 15 },
	[MT] = { "mt", 0, 0, 1 },
	[THREADS] = { "threads", 1, 1, 256 },
	[BLOCK] = { "block", 0, 0, INT64_MAX },
	[DICT] = { "dict", -1, LZMA_DICT_SIZE_MIN, 1610612736 },
	[LC] = { "lc", -1, 0, 4 },
	[LP] = { "lp", -1, 0, 4 },
	[PB] = { "pb", -1, 0, 4 },
	[MODE] = { "mode", -1, 1, 2 },
	[MF] = { "mf", -1, 3, 0x14 },
	[NICE] = { "nice", -1, 2, 273 },
	[DEPTH] = { "depth", -1, 0, UINT32_MAX },
	[BCJ] = { "bcj", 0, 4, 11 },
	[DELTA] = { "delta", 0, 1, 256 },
};

static void set(uint32_t *field, int i)
{
	if (p[i].value >= 0)
		*field = (uint32_t)p[i].value;
}

static void lzma_options(lzma_options_lzma *o)
{
	uint32_t mode = 0, mf = 0;

	if (lzma_lzma_preset(o, (uint32_t)p[PRESET].value | (p[EXTREME].value ? LZMA_PRESET_EXTREME : 0)))
		die(2, "preset=%lld: not known to this liblzma", p[PRESET].value);
	set(&o->dict_size, DICT);
	set(&o->lc, LC);
	set(&o->lp, LP);
	set(&o->pb, PB);
	set(&o->nice_len, NICE);
	set(&o->depth, DEPTH);
	set(&mode, MODE);
	set(&mf, MF);
	if (mode != 0)
		o->mode = (lzma_mode)mode;
	if (mf != 0)
		o->mf = (lzma_match_finder)mf;
}

#ifdef WELD_BARE
static lzma_ret start(lzma_stream *z, lzma_filter *chain, lzma_options_lzma *lz)
{
	(void)lz;
	return lzma_raw_encoder(z, chain);
}
#else
static lzma_ret start(lzma_stream *z, lzma_filter *chain, lzma_options_lzma *lz)
{
	lzma_mt mt;

	if (p[FORMAT].value == 1)
		return lzma_alone_encoder(z, lz);
	if (p[FORMAT].value == 2)
		return lzma_raw_encoder(z, chain);
	if (!p[MT].value)
		return lzma_stream_encoder(z, chain, (lzma_check)p[CHECK].value);
	memset(&mt, 0, sizeof mt);
	mt.threads = (uint32_t)p[THREADS].value;
	mt.block_size = (uint64_t)p[BLOCK].value;
	mt.filters = chain;
	mt.check = (lzma_check)p[CHECK].value;
	return lzma_stream_encoder_mt(z, &mt);
}
#endif

/* code feeds n bytes of in to the encoder and writes what comes out, until the action is complete. */
static void code(lzma_stream *z, size_t n, lzma_action action)
{
	lzma_ret r;

	z->next_in = in;
	z->avail_in = n;
	do {
		z->next_out = out;
		z->avail_out = sizeof out;
		r = lzma_code(z, action);
		if (r != LZMA_OK && r != LZMA_STREAM_END)
			die(1, "lzma_code: %d", (int)r);
		put(out, sizeof out - z->avail_out);
	} while (action == LZMA_RUN ? z->avail_in > 0 : r != LZMA_STREAM_END);
}

static void run(lzma_stream *z)
{
	/* The multi-threaded encoder cuts its blocks by itself. */
	uint64_t block = p[MT].value ? 0 : (uint64_t)p[BLOCK].value, left = block;
	size_t n, want;

	for (;;) {
		want = block != 0 && left < sizeof in ? (size_t)left : sizeof in;
		n = fill(in, want);
		if (n < want) {
			code(z, n, LZMA_FINISH);
			return;
		}
		left -= block != 0 ? n : 0;
		if (block == 0 || left > 0) {
			code(z, n, LZMA_RUN);
			continue;
		}
		code(z, n, LZMA_FULL_FLUSH);
		left = block;
	}
}

int main(int argc, char **argv)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma lz;
	lzma_options_delta delta;
	lzma_filter chain[LZMA_FILTERS_MAX + 1];
	lzma_ret r;
	int n = 0;

	parse_params(argc, argv, p, sizeof p / sizeof *p, LIBRARY, VERSION);
	lzma_options(&lz);
	if (p[DELTA].value) {
		memset(&delta, 0, sizeof delta);
		delta.type = LZMA_DELTA_TYPE_BYTE;
		delta.dist = (uint32_t)p[DELTA].value;
		chain[n++] = (lzma_filter){ .id = LZMA_FILTER_DELTA, .options = &delta };
	}
	if (p[BCJ].value)
		chain[n++] = (lzma_filter){ .id = (lzma_vli)p[BCJ].value, .options = NULL };
	chain[n++] = (lzma_filter){ .id = LZMA_FILTER_LZMA2, .options = &lz };
	chain[n] = (lzma_filter){ .id = LZMA_VLI_UNKNOWN, .options = NULL };
	r = start(&z, chain, &lz);
	if (r != LZMA_OK)
		die(r == LZMA_OPTIONS_ERROR || r == LZMA_UNSUPPORTED_CHECK ? 2 : 1, "liblzma: error %d at the start", (int)r);
	run(&z);
	lzma_end(&z);
	return 0;
}
