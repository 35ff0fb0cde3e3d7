package preflight

import (
	"slices"

	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"

	"sikkerpost.dk/gateway/internal/post"
)

// What a sheet of paper cannot do, and an office machine should not.
var (
	// activeKeys make any dictionary active by being there.
	activeKeys = []string{"JS", "JavaScript", "AA", "XFA", "RichMedia", "RichMediaContent", "EmbeddedFiles", "EF"}
	// activeActions are the types of action (/S) that do more than turn a page
	// or open a web address.
	activeActions = []string{"JavaScript", "Launch", "SubmitForm", "ResetForm", "ImportData", "GoToE", "GoToR", "Rendition",
		"Movie", "Sound", "RichMediaExecute", "SetOCGState", "Trans", "GoTo3DView", "Hide"}
	// activeTypes are the types of annotation and object that hold more than ink.
	activeTypes = []string{"FileAttachment", "Movie", "Sound", "Screen", "RichMedia", "3D", "EmbeddedFile"}
)

// maxDepth bounds how deep values lie in each other.
const maxDepth = 60

// active looks at every object of the file, also at those that no page refers
// to and those in object streams: what is unused today is used by the next
// revision.
func active(x *model.XRefTable, found *findings) {
	for n, e := range x.Table {
		if e == nil || e.Free {
			continue
		}
		generation := 0
		if e.Generation != nil {
			generation = *e.Generation
		}
		o, err := x.Dereference(*types.NewIndirectRef(n, generation))
		if err != nil {
			found.at(post.FaultNotPrintable, 0, "an object cannot be read")
			return
		}
		if isActive(o, 0) {
			found.at(post.FaultPaperActive, 0, "active content")
			return
		}
	}
}

func isActive(o types.Object, depth int) bool {
	if depth > maxDepth {
		return true // nobody nests so deep in good faith
	}
	switch o := o.(type) {
	case types.StreamDict:
		return activeDict(o.Dict, depth)
	case types.ObjectStreamDict:
		return activeDict(o.Dict, depth)
	case types.XRefStreamDict:
		return activeDict(o.Dict, depth)
	case types.Dict:
		return activeDict(o, depth)
	case types.Array:
		return slices.ContainsFunc(o, func(v types.Object) bool { return isActive(v, depth+1) })
	}
	return false
}

func activeDict(d types.Dict, depth int) bool {
	for key, v := range d {
		if slices.Contains(activeKeys, key) && v != nil {
			return true
		}
		if name, ok := v.(types.Name); ok {
			switch key {
			case "S":
				if slices.Contains(activeActions, name.Value()) {
					return true
				}
			case "Type", "Subtype":
				if slices.Contains(activeTypes, name.Value()) {
					return true
				}
			}
			continue
		}
		if isActive(v, depth+1) {
			return true
		}
	}
	return false
}
