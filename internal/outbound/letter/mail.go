package letter

import "sikkerpost.dk/gateway/internal/post"

// Mail is an inquiry on its way to the municipality's Digital Post.
type Mail struct {
	ID        post.InquiryID
	Tenant    post.TenantID
	Reference string
	Digest    []byte // content digest, fixed when it was accepted
	Header    []byte
	Blob      string
}
