package pristine

import (
	"context"
	"io"
)

// Encode writes to w what the encoder of p makes of plain: the stream alone, without the bytes that a container puts around
// it, and without a check. It is for callers that keep many streams under one digest, such as the members of a zip file.
func (e *Encoders) Encode(ctx context.Context, p Part, plain io.Reader, w io.Writer) error {
	enc, _, err := e.lookup(ctx, p.Encoder, p.Version)
	if err != nil {
		return err
	}
	return encodeWith(ctx, enc, p.Params, e.threads, plain, w)
}
