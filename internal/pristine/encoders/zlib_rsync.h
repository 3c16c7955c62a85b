/*
 * The blocks of a zlib that was changed for rsync, as rpm 4.4 had one: build.sh has deflate.c include this and call it.
 *
 * A block ends, and an empty stored block pads it to a whole byte, after the sum of the last RSYNC_WINDOW bytes was a multiple of
 * RSYNC_WINDOW. So what follows a difference in the plain data does not differ forever. There is one stream in a program.
 */
#ifndef WELD_ZLIB_RSYNC_H
#define WELD_ZLIB_RSYNC_H

#define RSYNC_WINDOW 4096
#define RSYNC_NONE 0xFFFFFFFFUL

int weld_rsync; /* whether blocks end so at all */

static unsigned long rsync_sum, rsync_end = RSYNC_NONE; /* rsync_end: the place in the window after which the block ends */
static int rsync_pad;

/* rsync_roll takes n bytes of the window, from start on, into the sum. */
static void rsync_roll(deflate_state *s, unsigned start, unsigned n)
{
	unsigned i;

	if (!weld_rsync)
		return;
	for (i = start; i < start + n; i++) {
		rsync_sum += s->window[i];
		if (i < RSYNC_WINDOW)
			continue;
		rsync_sum -= s->window[i - RSYNC_WINDOW];
		if (rsync_end == RSYNC_NONE && rsync_sum % RSYNC_WINDOW == 0)
			rsync_end = i;
	}
}

/* rsync_slide is called when the window moves on by n bytes. */
static void rsync_slide(unsigned n)
{
	if (rsync_end != RSYNC_NONE)
		rsync_end -= n;
}

/* rsync_due tells whether the block is to end here. */
static int rsync_due(deflate_state *s)
{
	if (s->strstart <= rsync_end)
		return 0;
	rsync_end = RSYNC_NONE;
	rsync_pad = 1;
	return 1;
}

/* rsync_flushed pads a block that ended because it was due. */
static void rsync_flushed(deflate_state *s)
{
	if (rsync_pad)
		_tr_stored_block(s, (charf *)0, 0L, 0);
	rsync_pad = 0;
}

#endif
