package portalapp_test

import (
	"net/http"

	"sikkerpost.dk/gateway/internal/inbound/login"
	"sikkerpost.dk/gateway/internal/post"
)

func (n nancy) Peek(r *http.Request) (login.Session, error) { return n.Session(r) }

func (nancy) Act(*http.Request, int) error { return post.FaultNoGrant }
