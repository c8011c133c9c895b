// What Go's archive/tar sees in archives: the reader that docker, containerd, podman and others unpack layers with.
//
// Standard input: archives, each behind its length in four bytes, big-endian. Standard output: a line of JSON for each.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
)

// A sparse member may claim any size; what is beyond this of its content is not read.
const maxContent = 1 << 20

type member struct {
	Name   []byte `json:"name"`
	Type   int    `json:"type"`
	Mode   int64  `json:"mode"`
	Uid    int    `json:"uid"`
	Gid    int    `json:"gid"`
	Size   int64  `json:"size"`
	Link   []byte `json:"link"`
	Digest string `json:"digest"`
}

type reading struct {
	Members []member `json:"members"`
	Error   string   `json:"error"`
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := json.NewEncoder(out)
	for {
		var size uint32
		if err := binary.Read(in, binary.BigEndian, &size); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		raw := make([]byte, size)
		if _, err := io.ReadFull(in, raw); err != nil {
			log.Fatal(err)
		}
		if err := lines.Encode(read(raw)); err != nil {
			log.Fatal(err)
		}
	}
}

func read(raw []byte) reading {
	// Layers come as streams: without Seek, as from a decompressor.
	archive := tar.NewReader(struct{ io.Reader }{bytes.NewReader(raw)})
	seen := reading{Members: []member{}}
	for {
		header, err := archive.Next()
		if err != nil {
			seen.Error = kind(err)
			return seen
		}
		digest := sha256.New()
		_, err = io.CopyN(digest, archive, maxContent)
		seen.Members = append(seen.Members, member{
			Name:   []byte(header.Name),
			Type:   int(header.Typeflag),
			Mode:   header.Mode,
			Uid:    header.Uid,
			Gid:    header.Gid,
			Size:   header.Size,
			Link:   []byte(header.Linkname),
			Digest: hex.EncodeToString(digest.Sum(nil)[:8]),
		})
		if err != nil && err != io.EOF {
			seen.Error = kind(err)
			return seen
		}
	}
}

func kind(err error) string {
	switch {
	case err == io.EOF:
		return ""
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "truncated"
	case errors.Is(err, tar.ErrHeader):
		return "header"
	case errors.Is(err, tar.ErrFieldTooLong):
		return "too long"
	default:
		return err.Error()
	}
}
