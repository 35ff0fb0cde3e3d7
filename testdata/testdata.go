// Package testdata embeds what tests and the demo send and compare with, as
// one file system. README.md says where each file is from and how to make it
// again. Nothing here is secret or about a real person, and no serving program
// links it.
package testdata

import "embed"

// FS holds pdf/*.pdf: request.pdf (a citizen's attachment), answer.pdf (a DPO's
// reply) and decision-01.pdf to decision-03.pdf.
//
//go:embed pdf/*.pdf
var FS embed.FS
