package engine

import "testing"

func TestStateAndOffsetsChangeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	var h held
	first, ok := h.forState("a")
	second, again := h.forState("a")
	if !ok || !again {
		t.Fatal("two changes of state exclude each other")
	}
	first()
	if _, ok := h.forOffsets("a"); ok {
		t.Error("offsets may be changed during a change of state")
	}
	if release, ok := h.forOffsets("b"); !ok {
		t.Error("another connector is held too")
	} else {
		release()
	}
	second()
	offsets, ok := h.forOffsets("a")
	if !ok {
		t.Fatal("offsets stay held")
	}
	if _, ok := h.forState("a"); ok {
		t.Error("the state may be changed during a change of offsets")
	}
	if _, ok := h.forOffsets("a"); ok {
		t.Error("two changes of offsets at once")
	}
	offsets()
	if len(h.m) != 0 {
		t.Errorf("left: %v", h.m)
	}
}
