// Package pagecache keeps what a program writes and reads in bulk from filling
// the machine's memory. The system keeps each page of a file it has touched for as
// long as there is memory, so a month-end of 100,000 sealed documents of 100 KB
// takes ten gigabytes from those who need them, PostgreSQL's tables first, though
// each is read once more, minutes later, and then not for months.
//
// It asks the system to forget files that were touched longest ago, once those
// that were touched since are more than a bound. It only ever asks: nothing is lost
// or changed by it, what is not on the disk yet is not forgotten, and what is read
// again comes from the disk. So no failure is reported, and where the system knows
// no such request (anything but Linux) it does nothing.
package pagecache

import (
	"container/list"
	"sync"
)

// Recent are the files that were touched lately. It is safe for concurrent use.
type Recent struct {
	max    int64
	forget func(path string)

	mu    sync.Mutex
	order list.List // of file, the one touched longest ago first
	files map[string]*list.Element
	sum   int64 // bytes
}

type file struct {
	path string
	size int64
}

// New returns a Recent that lets the system keep up to max bytes of files.
func New(max int64) *Recent {
	return &Recent{max: max, forget: Forget, files: map[string]*list.Element{}}
}

// Touch says that the file at path, of size bytes, was written or read. Files that
// were touched longest ago are forgotten until at most max bytes are left; the last
// one touched is not.
func (r *Recent) Touch(path string, size int64) {
	for _, old := range r.touch(path, size) {
		r.forget(old)
	}
}

// touch returns the files to forget.
func (r *Recent) touch(path string, size int64) (old []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.files[path]; ok {
		f := e.Value.(*file) //nolint:forcetypeassert // the list holds nothing else
		r.sum += size - f.size
		f.size = size
		r.order.MoveToBack(e)
	} else {
		r.files[path] = r.order.PushBack(&file{path, size})
		r.sum += size
	}
	for r.sum > r.max && r.order.Len() > 1 {
		f := r.order.Remove(r.order.Front()).(*file) //nolint:forcetypeassert // as above
		delete(r.files, f.path)
		r.sum -= f.size
		old = append(old, f.path)
	}
	return old
}
