package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// How bbolt lays out a page, in the machine's byte order: see its internal/common/page.go.
//
//	meta    in the first two pages, behind their headers; freelist at 32, transaction at 48
//	page    id 8, flags 2, count 2, overflow 4, then count elements
//	branch  position of the key, from here 4, its length 4, page 8
//	leaf    flags 4, position of the key, from here 4, its length 4, length of the value behind it 4
const (
	pageHeader  = 16
	pageElement = 16
	branchPage  = 1
	leafPage    = 2
	bucketEntry = 1
)

// pages walks a file's pages without trusting any of them.
type pages struct {
	content []byte
	size    int
	seen    map[uint64]bool
}

var errPage = errors.New("a page refers to what is not in it")

// walkPages tests that all that pages refer to is there: bbolt follows their positions and lengths without looking.
func walkPages(tx *bbolt.Tx) error {
	content, err := os.ReadFile(tx.DB().Path())
	if err != nil {
		return err
	}
	p := pages{content, tx.DB().Info().PageSize, map[uint64]bool{}}
	for _, meta := range [][]byte{content[pageHeader:], content[p.size+pageHeader:]} {
		order := binary.NativeEndian
		if order.Uint64(meta[48:]) != uint64(tx.ID()) {
			continue // that of the transaction before
		}
		if _, err := p.page(order.Uint64(meta[32:])); err != nil {
			return err
		}
	}
	return p.walk(uint64(tx.Cursor().Bucket().Root()))
}

// page returns a page with those that it overflows into.
func (p *pages) page(id uint64) ([]byte, error) {
	total := uint64(len(p.content) / p.size)
	if id >= total {
		return nil, fmt.Errorf("page %d: %w", id, errPage)
	}
	page := p.content[int(id)*p.size:]
	order := binary.NativeEndian
	overflow := uint64(order.Uint32(page[12:]))
	if order.Uint64(page) != id || overflow >= total-id {
		return nil, fmt.Errorf("page %d: %w", id, errPage)
	}
	return page[:(int(overflow)+1)*p.size], nil
}

func (p *pages) walk(id uint64) error {
	page, err := p.page(id)
	if err != nil {
		return err
	}
	order := binary.NativeEndian
	flags, count := order.Uint16(page[8:]), int(order.Uint16(page[10:]))
	if p.seen[id] || flags != branchPage && flags != leafPage || pageHeader+count*pageElement > len(page) {
		return fmt.Errorf("page %d: %w", id, errPage)
	}
	p.seen[id] = true
	for i := range count {
		element := page[pageHeader+i*pageElement:]
		child, err := branchElement(element)
		if flags == leafPage {
			child, err = leafElement(element)
		}
		if err == nil && (child != 0 || flags == branchPage) {
			err = p.walk(child)
		}
		if err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
	}
	return nil
}

func branchElement(element []byte) (child uint64, err error) {
	order := binary.NativeEndian
	if uint64(order.Uint32(element))+uint64(order.Uint32(element[4:])) > uint64(len(element)) {
		return 0, errPage
	}
	return order.Uint64(element[8:]), nil
}

// leafElement returns the page of a bucket that has one of its own, or 0.
func leafElement(element []byte) (child uint64, err error) {
	order := binary.NativeEndian
	value := uint64(order.Uint32(element[4:])) + uint64(order.Uint32(element[8:]))
	end := value + uint64(order.Uint32(element[12:]))
	if end > uint64(len(element)) {
		return 0, errPage
	}
	if order.Uint32(element)&bucketEntry == 0 {
		return 0, nil
	}
	if end < value+8 {
		return 0, errPage
	}
	return order.Uint64(element[value:]), nil
}
