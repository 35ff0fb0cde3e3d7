package blobstore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sikkerpost.dk/gateway/internal/post"
	"sikkerpost.dk/gateway/internal/vault/seal"
)

// envDo names what a child process does to the store that it stands in.
const envDo = "SIKKERPOST_BLOBSTORE_DO"

func TestMain(m *testing.M) {
	do := os.Getenv(envDo)
	if do == "" {
		os.Exit(m.Run())
	}
	s, err := Open(".")
	if err == nil {
		err = map[string]func(*Store) error{"come and go": comeAndGo, "delete": deleteAsked}[do](s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child starts a process that does something to the store in dir.
func child(t *testing.T, do, dir string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Dir, cmd.Env = dir, append(os.Environ(), envDo+"="+do)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewScanner(said)
}

// comeAndGo puts groups and deletes from them without end, and says what it has
// done, and of deletions also what it is about to do.
func comeAndGo(s *Store) error {
	ctx := context.Background()
	for {
		var blobs []string
		var said strings.Builder
		err := s.PutGroup(ctx, func(g seal.Group) error {
			for range 5 {
				n := rand.IntN(30_000)
				blob, _, _, err := g.Put(ctx, writing(content(n)))
				if err != nil {
					return err
				}
				blobs = append(blobs, blob)
				fmt.Fprintf(&said, "put %s %d\n", blob, n)
			}
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Print(said.String())
		for _, i := range rand.Perm(5)[:rand.IntN(6)] {
			fmt.Printf("begin %s 0\n", blobs[i])
			if err := s.Delete(ctx, blobs[i]); err != nil {
				return err
			}
			fmt.Printf("done %s 0\n", blobs[i])
		}
	}
}

// A killed process loses nothing that it has put, brings nothing back that it has
// deleted, and leaves what it was about to do done or not done.
func TestAKilledProcessLosesNothing(t *testing.T) {
	s, _ := stored(t)
	size, begun, done := map[string]int{}, map[string]bool{}, map[string]bool{}
	for range 12 {
		cmd, _, out := child(t, "come and go", s.dir)
		for stop := 1 + rand.IntN(60); out.Scan(); stop-- { // what it said before it died counts
			if stop == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			var what, blob string
			var n int
			if _, err := fmt.Sscanf(out.Text(), "%s %s %d", &what, &blob, &n); err != nil {
				continue // the line that it died in
			}
			switch what {
			case "put":
				size[blob] = n
			case "begin":
				begun[blob] = true
			case "done":
				done[blob] = true
			}
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("it ended by itself: %v", err)
		}
	}
	found := list(t, s)
	for blob, n := range size {
		got, err := read(t, s, blob)
		whole := err == nil && bytes.Equal(got, content(n))
		not := errors.Is(err, post.ErrNotFound)
		if done[blob] && !not || !begun[blob] && !whole || !whole && !not {
			t.Errorf("%s, to be deleted %t, deleted %t: %d bytes of %d, %v", blob, begun[blob], done[blob], len(got), n, err)
		}
		if whole && !found[blob] || done[blob] && found[blob] {
			t.Errorf("%s is there %t, listed %t", blob, whole, found[blob])
		}
	}
	t.Logf("%d put, %d deletions begun, %d done", len(size), len(begun), len(done))
	if len(size) == 0 || len(done) == 0 {
		t.Error("nothing was tried")
	}
	for blob := range found { // those of a group that it died before saying, and of deletions
		if _, said := size[blob]; !said || begun[blob] {
			if err := s.Delete(t.Context(), blob); err != nil {
				t.Error(err)
			}
		}
	}
	if n := len(size) - len(begun); len(list(t, s)) != n {
		t.Errorf("%d are listed, %d were put and not deleted", len(list(t, s)), n)
	}
}

// deleteAsked deletes what it reads the names of.
func deleteAsked(s *Store) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := s.Delete(context.Background(), in.Text()); err != nil {
			return err
		}
	}
	return in.Err()
}

// Programs that delete from the same groups at the same time, some of it twice,
// leave what none of them was asked to delete, and nothing else.
func TestTwoProcessesDelete(t *testing.T) {
	s, _ := stored(t)
	var gone []string
	stay := map[string]int{}
	for n := range 8 {
		for i, blob := range putGroup(t, s, 1000, 5000, 10_000, 3000, 4096, 12_000) {
			if n < 4 && i == 2 {
				stay[blob] = 10_000
				continue
			}
			gone = append(gone, blob)
		}
	}
	var all sync.WaitGroup
	for range 2 {
		cmd, in, _ := child(t, "delete", s.dir)
		all.Go(func() {
			for _, i := range rand.Perm(len(gone)) {
				fmt.Fprintln(in, gone[i])
			}
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, blob := range gone {
		if _, err := s.Get(t.Context(), blob); !errors.Is(err, post.ErrNotFound) {
			t.Errorf("%s: %v", blob, err)
		}
	}
	for blob, n := range stay {
		if got, err := read(t, s, blob); err != nil || !bytes.Equal(got, content(n)) {
			t.Errorf("%s has %d bytes, %v", blob, len(got), err)
		}
	}
	if found := list(t, s); len(found) != len(stay) {
		t.Errorf("%v is listed", found)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "??", "??", "*")); err != nil || len(left) != 4 {
		t.Errorf("%v is left, %v", left, err)
	}
}
