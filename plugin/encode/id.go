package encode

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/zeebo/xxh3"
)

// IDSize is the length of an _id: 15 bytes in base64url, the length that
// OpenSearch's own ids have.
const IDSize = 20

// MaxPlace is the first place in a chunk that an _id cannot hold.
const MaxPlace = 1 << 24

// IDs makes the ids of documents. The same chunk on the same node under the
// same key has the same ids, so that what is sent twice is stored once; without
// the key nobody can test guesses of what was redacted against an id.
//
// Changing anything here means duplicates at upgrade: golden vectors hold it.
//
// Concurrency: safe for concurrent use.
type IDs struct {
	chunk, position secret
	node            string
}

// NewIDs makes ids under a key of 32 bytes for a node.
func NewIDs(key [32]byte, node string) (*IDs, error) {
	chunk, err := newSecret(key, "seclog ids v1")
	if err != nil {
		return nil, err
	}
	position, err := newSecret(key, "seclog position ids v1")
	if err != nil {
		return nil, err
	}
	return &IDs{chunk: chunk, position: position, node: node}, nil
}

// secret is what one kind of ids is made under: the seed of a hash, and the
// cipher that makes of it what nobody without the key can work out.
type secret struct {
	seed         uint64
	offset, time uint64 // what a position's numbers are added to
	block        cipher.Block
}

func newSecret(key [32]byte, purpose string) (s secret, err error) {
	sub, err := hkdf.Key(sha256.New, key[:], nil, purpose, 40)
	if err != nil {
		return s, fmt.Errorf("derive the key for ids: %w", err)
	}
	s.seed = binary.LittleEndian.Uint64(sub[16:])
	s.offset, s.time = binary.LittleEndian.Uint64(sub[24:]), binary.LittleEndian.Uint64(sub[32:])
	if s.block, err = aes.NewCipher(sub[:16]); err != nil {
		return s, fmt.Errorf("key for ids: %w", err)
	}
	return s, nil
}

// hash is one of the lengths of node and tag, node, tag and the rest.
func (s *secret) hash(node, tag string, rest []byte) [16]byte {
	h := xxh3.NewSeed(s.seed)
	var n [16]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(node)))
	binary.LittleEndian.PutUint64(n[8:], uint64(len(tag)))
	_, _ = h.Write(n[:])
	_, _ = h.WriteString(node)
	_, _ = h.WriteString(tag)
	_, _ = h.Write(rest)
	return h.Sum128().Bytes()
}

// Fingerprint is a keyed hash of a chunk as it came: the lengths of node and
// tag, node, tag and the chunk's bytes. It tells chunks apart and is what the
// ledger knows them by.
func (k *IDs) Fingerprint(tag string, chunk []byte) [16]byte { return k.chunk.hash(k.node, tag, chunk) }

// Seal turns a fingerprint into 8 bytes that say nothing about it to those
// without the key. n tells equal fingerprints apart.
func (k *IDs) Seal(d [16]byte, n uint32) [8]byte {
	var b [16]byte
	copy(b[:], d[:])
	binary.LittleEndian.PutUint32(b[:], binary.LittleEndian.Uint32(b[:])^n)
	k.chunk.block.Encrypt(b[:], b[:])
	return [8]byte(b[:8])
}

// ChunkID is what the ids of one chunk's documents share.
type ChunkID struct {
	prefix [16]byte // the first 12 bytes of the ids, as they are written
}

// Chunk is the ChunkID of a chunk with the given fingerprint and occurrence
// number; sec is the time of its first record in Unix seconds.
func (k *IDs) Chunk(d [16]byte, n uint32, sec int64) ChunkID {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:], uint32(min(max(sec, 0), math.MaxUint32)))
	h := k.Seal(d, n)
	copy(b[4:], h[:])
	var c ChunkID
	base64.RawURLEncoding.Encode(c.prefix[:], b[:])
	return c
}

// Write writes the id of the record at a place below MaxPlace: 4 bytes
// seconds, 8 bytes keyed hash, 3 bytes place, big endian, as base64url.
func (c *ChunkID) Write(id *[IDSize]byte, place int) {
	copy(id[:], c.prefix[:])
	id[16], id[17], id[18], id[19] = base64URL[place>>18&63], base64URL[place>>12&63], base64URL[place>>6&63], base64URL[place&63]
}

// base64URL is the alphabet of RFC 4648, section 5.
const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
