package intake

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	_ "image/jpeg" // for image.DecodeConfig
	_ "image/png"  // for image.DecodeConfig
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"sikkerpost.dk/gateway/internal/post"
)

func isPDF(head []byte) bool {
	return bytes.HasPrefix(head, []byte("%PDF-1.")) || bytes.HasPrefix(head, []byte("%PDF-2."))
}

func isJPEG(head []byte) bool { return bytes.HasPrefix(head, []byte{0xff, 0xd8, 0xff}) }

const pngSignature = "\x89PNG\r\n\x1a\n"

func isPNG(head []byte) bool { return bytes.HasPrefix(head, []byte(pngSignature)) }

// isText accepts plain text only: markup that a browser or an office program
// would run has magic of its own.
func isText(head []byte) bool {
	for _, f := range [][]byte{[]byte("%PDF-"), []byte("{\\rtf"), []byte("PK\x03\x04")} {
		if bytes.HasPrefix(head, f) {
			return false
		}
	}
	return strings.HasPrefix(http.DetectContentType(head), "text/plain")
}

// checkText wants UTF-8 without control characters, so that every reader sees
// the same words.
func checkText(_ context.Context, data []byte, _ Limits) error {
	if !utf8.Valid(data) {
		return post.FaultFileBroken.At("not UTF-8")
	}
	for _, r := range string(data) {
		if unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\f", r) {
			return post.FaultFileBroken.At("control character")
		}
	}
	return nil
}

// checkPicture reads the header only: nothing is decoded here, so a picture
// cannot take more memory than its file.
func checkPicture(_ context.Context, data []byte, l Limits) error {
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || c.Width <= 0 || c.Height <= 0 {
		return post.FaultFileBroken.Because(err)
	}
	if int64(c.Width)*int64(c.Height) > l.Pixels {
		return post.FaultFilePixels
	}
	return nil
}

// checkPNG also walks the chunks: nothing may follow IEND, where another file
// could hide (PNG specification, section 5).
func checkPNG(ctx context.Context, data []byte, l Limits) error {
	if err := checkPicture(ctx, data, l); err != nil {
		return err
	}
	rest := data[len(pngSignature):]
	for len(rest) >= 12 {
		n := uint64(binary.BigEndian.Uint32(rest))
		kind := string(rest[4:8])
		if 12+n > uint64(len(rest)) {
			return post.FaultFileBroken.At("chunk beyond the end")
		}
		rest = rest[12+n:]
		if kind != "IEND" {
			continue
		}
		if len(rest) > 0 {
			return post.FaultFileTwoInOne
		}
		return nil
	}
	return post.FaultFileBroken.At("no end chunk")
}

// hidesArchive reports whether data ends in a ZIP directory: such a file is a
// picture or a PDF to one program and an archive to another.
func hidesArchive(data []byte) bool {
	const record, maxComment = 22, 65535
	tail := data[max(0, len(data)-record-maxComment):]
	for end := len(tail); ; {
		i := bytes.LastIndex(tail[:end], []byte("PK\x05\x06"))
		if i < 0 {
			return false
		}
		// Bytes after the comment are tolerated by readers; a comment that
		// reaches beyond the end is not.
		if i+record <= len(tail) && i+record+int(binary.LittleEndian.Uint16(tail[i+20:])) <= len(tail) {
			return true
		}
		end = i
	}
}
