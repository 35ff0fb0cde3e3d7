package digitalpost

import "time"

// Hurry makes c give up sooner.
func (c *Client) Hurry(asking, handing time.Duration) { c.asking, c.handing = asking, handing }
