package preflight

import (
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
)

// fonts knows which fonts and forms were looked at.
type fonts struct {
	x    *model.XRefTable
	seen map[int]bool // object number → all is embedded
}

func newFonts(x *model.XRefTable) *fonts { return &fonts{x, map[int]bool{}} }

// embedded reports whether every font that resources offer is in the file: those
// of the page, and of the forms, patterns and glyphs that it is drawn with.
func (f *fonts) embedded(resources types.Dict, depth int) bool {
	if depth > maxDepth {
		return false
	}
	ok := f.each(resources, "Font", func(d types.Dict) bool { return f.font(d, depth) })
	for _, kind := range []string{"XObject", "Pattern"} {
		ok = f.each(resources, kind, func(d types.Dict) bool { return f.nested(d, depth) }) && ok
	}
	return ok
}

// each calls check for every entry of a kind, an object with a number once.
func (f *fonts) each(resources types.Dict, kind string, check func(types.Dict) bool) bool {
	all, err := f.x.DereferenceDict(entry(resources, kind))
	if err != nil {
		return false
	}
	ok := true
	for _, o := range all {
		ok = f.once(o, check) && ok
	}
	return ok
}

func (f *fonts) once(o types.Object, check func(types.Dict) bool) bool {
	number := 0
	if ref, is := o.(types.IndirectRef); is {
		number = ref.ObjectNumber.Value()
		if ok, known := f.seen[number]; known {
			return ok
		}
		f.seen[number] = true // until known better: a form may refer to itself
	}
	d, ok := f.dict(o)
	ok = ok && check(d)
	if number > 0 {
		f.seen[number] = ok
	}
	return ok
}

// dict returns a dictionary, a stream's own included. What is not there is an
// empty one.
func (f *fonts) dict(o types.Object) (types.Dict, bool) {
	o, err := f.x.Dereference(o)
	if err != nil {
		return nil, false
	}
	switch o := o.(type) {
	case nil:
		return types.Dict{}, true
	case types.Dict:
		return o, true
	case types.StreamDict:
		return o.Dict, true
	}
	return nil, false
}

// nested looks at what a form or pattern is drawn with.
func (f *fonts) nested(d types.Dict, depth int) bool {
	own, ok := f.dict(entry(d, "Resources"))
	return ok && f.embedded(own, depth+1)
}

// font reports whether a font's program is in the file.
func (f *fonts) font(d types.Dict, depth int) bool {
	kind := ""
	if name := d.NameEntry("Subtype"); name != nil {
		kind = *name
	}
	switch kind {
	case "Type3": // its glyphs are drawings, which may use fonts themselves
		return f.nested(d, depth)
	case "Type0":
		all, err := f.x.DereferenceArray(entry(d, "DescendantFonts"))
		if err != nil || len(all) != 1 {
			return false
		}
		descendant, ok := f.dict(all[0])
		return ok && f.program(descendant)
	}
	return f.program(d)
}

func (f *fonts) program(font types.Dict) bool {
	d, ok := f.dict(entry(font, "FontDescriptor"))
	if !ok {
		return false
	}
	for _, key := range []string{"FontFile", "FontFile2", "FontFile3"} {
		if program, ok := f.dict(entry(d, key)); ok && len(program) > 0 {
			return true
		}
	}
	return false
}

// annotations looks at what stamps and fields are drawn with.
func (f *fonts) annotations(page types.Dict) bool {
	all, err := f.x.DereferenceArray(entry(page, "Annots"))
	if err != nil {
		return false
	}
	ok := true
	for _, o := range all {
		d, is := f.dict(o)
		if !is {
			return false
		}
		looks, is := f.dict(entry(d, "AP"))
		if !is {
			return false
		}
		normal, is := f.dict(entry(looks, "N"))
		if !is {
			return false
		}
		ok = f.nested(normal, 0) && ok
		for _, state := range normal { // a check box has a drawing for each state
			if ref, is := state.(types.IndirectRef); is {
				ok = f.once(ref, func(d types.Dict) bool { return f.nested(d, 0) }) && ok
			}
		}
	}
	return ok
}
