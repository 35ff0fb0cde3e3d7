// Package clamdtest stands in for a ClamAV daemon: it speaks zPING and
// zINSTREAM on a loopback port, finds the markers it is told to find, and
// answers and closes in the middle of a stream that exceeds its limit, as the
// real one does.
package clamdtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
)

// Server is a running stand-in.
type Server struct {
	Limit   int64             // StreamMaxLength; 25 MiB when 0
	Markers map[string]string // content → name of what was found
	// Answer, when set, is given to every INSTREAM instead of the truth.
	Answer string

	listener net.Listener
	done     sync.WaitGroup
}

// Start begins to listen on loopback.
func (s *Server) Start() error {
	if s.Limit == 0 {
		s.Limit = 25 << 20
	}
	var err error
	if s.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	s.done.Go(func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.done.Go(func() { s.serve(conn) })
		}
	})
	return nil
}

// Address returns tcp://host:port.
func (s *Server) Address() string { return "tcp://" + s.listener.Addr().String() }

// Close stops it and waits for the conversations to end.
func (s *Server) Close() {
	s.listener.Close()
	s.done.Wait()
}

func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	command, err := r.ReadString(0)
	if err != nil {
		return
	}
	answer := "UNKNOWN COMMAND"
	switch command {
	case "zPING\x00":
		answer = "PONG"
	case "zINSTREAM\x00":
		answer = s.stream(r)
	}
	_, _ = io.WriteString(conn, answer+"\x00") // the caller may have gone
}

func (s *Server) stream(r io.Reader) string {
	var data bytes.Buffer
	for {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return "stream: read error. ERROR"
		}
		n := int64(binary.BigEndian.Uint32(size[:]))
		if n == 0 {
			break
		}
		if int64(data.Len())+n > s.Limit {
			return "INSTREAM size limit exceeded. ERROR"
		}
		if _, err := io.CopyN(&data, r, n); err != nil {
			return "stream: read error. ERROR"
		}
	}
	if s.Answer != "" {
		return s.Answer
	}
	for marker, name := range s.Markers {
		if bytes.Contains(data.Bytes(), []byte(marker)) {
			return "stream: " + name + " FOUND"
		}
	}
	return "stream: OK"
}
