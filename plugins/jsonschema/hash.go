package jsonschema

import "unicode/utf16"

// hashOrder is the order in which Java's HashMap gives back keys that were put in this order: Confluent's converter builds
// schemas in such maps, and a registry compares the texts. Capacity is that of the table before the first key; 16 is Java's
// own. The keys differ. What a table does with more than eight keys in a bucket, once it has 64, is left out.
func hashOrder(hashes []uint32, capacity int) []int {
	table := make([][]int, capacity)
	for i, h := range hashes {
		at := h & uint32(len(table)-1)
		table[at] = append(table[at], i)
		if len(table[at]) > 8 && len(table) < 64 {
			table = doubled(table, hashes)
		}
		if (i+1)*4 > len(table)*3 {
			table = doubled(table, hashes)
		}
	}
	order := make([]int, 0, len(hashes))
	for _, bucket := range table {
		order = append(order, bucket...)
	}
	return order
}

func doubled(table [][]int, hashes []uint32) [][]int {
	bigger := make([][]int, 2*len(table))
	for _, bucket := range table {
		for _, i := range bucket {
			at := hashes[i] & uint32(len(bigger)-1)
			bigger[at] = append(bigger[at], i)
		}
	}
	return bigger
}

// usual is the capacity of a HashMap that nobody gave one.
const usual = 16

// tableFor is the capacity of a table that is asked to hold so many (Java: HashMap.tableSizeFor).
func tableFor(n int) int {
	size := 1
	for size < n {
		size *= 2
	}
	return size
}

// copied is the capacity of a table that is made as a copy of a map (Java 17: HashMap.putMapEntries).
func copied(n int) int { return tableFor(int(float32(n)/0.75 + 1)) }

// hashOf is a string's hash with its high half mixed in.
func hashOf(s string) uint32 {
	var h uint32
	for _, r := range s {
		if r > 0xFFFF {
			high, low := utf16.EncodeRune(r)
			h = (h*31+uint32(high))*31 + uint32(low)
			continue
		}
		h = h*31 + uint32(r)
	}
	return h ^ h>>16
}

// hashed gives elements, which are in the order of putting, in the order of the table.
func hashed[E any](elements []E, key func(E) string, capacity int) []E {
	hashes := make([]uint32, len(elements))
	for i, e := range elements {
		hashes[i] = hashOf(key(e))
	}
	out := make([]E, 0, len(elements))
	for _, i := range hashOrder(hashes, capacity) {
		out = append(out, elements[i])
	}
	return out
}
